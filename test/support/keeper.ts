import { spawn } from 'node:child_process'

/** Sees to it that a test leaves nothing behind, however it ends. */
export interface Keeper {
  /** The process to end with the test; undefined: there is none at present. */
  watch(pid: number | undefined): void
  /** Ends what is watched, removes the folder, and resolves when that is done. */
  release(): Promise<void>
}

/**
 * Reads the pid of each process, and at the end of its input ends the last and removes the folder. Another try is for a file that
 * was still being made.
 */
const SCRIPT = `
while read -r line; do pid=$line; done
[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
[ -n "$0" ] || exit 0
for try in 1 2 3 4 5; do rm -rf -- "$0" && exit 0; sleep 0.2; done`

/**
 * A shell that waits beside this process. Its input ends when we say so, but also when this process crashes or is killed, which no
 * handler of ours would see; in a session of its own it outlives Ctrl-C.
 *
 * @param folder removed at the end; '' for none
 */
export function startKeeper(folder = ''): Keeper {
  const shell = spawn('sh', ['-c', SCRIPT, folder], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  const ended = new Promise<void>((resolve, reject) => {
    shell.once('exit', () => resolve())
    shell.once('error', reject)
  })
  // Neither holds a test run that has nothing else to do.
  shell.unref()
  return {
    watch: (pid) => void shell.stdin.write(`${pid ?? ''}\n`),
    async release() {
      shell.ref()
      shell.stdin.end()
      await ended
    },
  }
}
