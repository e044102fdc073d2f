import { spawn } from 'node:child_process'

/** Ends and removes the rest of a stack as soon as this process has ended, also when it was killed. */
export interface Keeper {
  /** Ends this process group too. @param pid the leader of the group */
  watch(pid: number): void
  forget(pid: number): void
  /** Sets a command that runs once, after the processes have ended. */
  atEnd(command: readonly string[]): void
  /** Does its work, and resolves when that is done. */
  release(): Promise<void>
}

/**
 * At the end of its input it kills the process groups that are still watched, runs the command, and removes the folder.
 * It tries that twice, because a server that is being killed may still create a file.
 */
const SCRIPT = `
watched=' '
command=
while read -r verb rest; do
  case $verb in
    watch) watched="$watched$rest " ;;
    forget) watched="\${watched%% $rest *} \${watched#* $rest }" ;;
    at_end) command=$rest ;;
  esac
done
for pid in $watched; do kill -s KILL -- "-$pid"; done
eval "$command"
[ -n "$1" ] || exit 0
rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }`

/**
 * Starts a shell that waits for the end of its input. The input also ends when this process is killed and none of its
 * handlers run. The shell has its own session, so it does not receive Ctrl-C.
 *
 * @param folder removed at the end; '' for none
 */
export function startKeeper(folder = ''): Keeper {
  const shell = spawn('sh', ['-c', SCRIPT, 'sh', folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
  })
  const ended = new Promise<void>((resolve) => {
    shell.once('exit', () => resolve())
    shell.once('error', () => resolve())
  })
  // If the shell is gone, closing the stack still cleans up.
  shell.stdin.on('error', () => {})
  // Neither the shell nor the pipe keeps this process alive.
  shell.unref()
  const tell = (verb: string, rest: string): void => void shell.stdin.write(`${verb} ${rest}\n`)
  return {
    watch: (pid) => tell('watch', `${pid}`),
    forget: (pid) => tell('forget', `${pid}`),
    atEnd: (command) => tell('at_end', command.map(quoted).join(' ')),
    async release() {
      shell.ref()
      shell.stdin.end()
      await ended
    },
  }
}

/** Quotes any text as one shell word. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}
