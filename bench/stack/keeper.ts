import { spawn } from 'node:child_process'

/** Ends and removes what is left of a stack as soon as this process has ended, however it ended. */
export interface Keeper {
  /** A process that leads a group of its own. */
  watch(pid: number): void
  forget(pid: number): void
  /** A command to run once, when the processes have ended. */
  atEnd(command: readonly string[]): void
  /** Does its work, and resolves when that is done. */
  release(): Promise<void>
}

/**
 * At the end of its input it ends the groups that are still watched, runs the command, and removes the folder. A server that is being killed
 * may still make a file, hence the second try.
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
 * A shell that waits beside this process for the end of its input, which comes too when this process is killed and no handler of ours
 * runs. In a session of its own it does not see Ctrl-C.
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
  // Where it is gone, what it was for is still done by those who close the stack.
  shell.stdin.on('error', () => {})
  // Neither holds a process that has nothing else to do.
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

/** As one word of a shell, whatever is in it. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}
