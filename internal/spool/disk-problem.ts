const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: make room, or give a folder on another disk with --data-path',
  EDQUOT: 'the disk quota is used up: make room, or give a folder on another disk with --data-path',
  EROFS: 'the file system is read-only: give a folder that can be written to with --data-path',
  EACCES: 'this user may not write there: change its owner, or give another folder with --data-path',
  EPERM: 'this user may not write there: change its owner, or give another folder with --data-path',
  ENOTDIR: 'a part of the path is a file: give another folder with --data-path',
  EEXIST: 'a part of the path is a file, or a link that leads nowhere: give another folder with --data-path',
  ENOENT: 'no folder can be made there: give another folder with --data-path',
  EIO: 'the disk fails: see the log of the operating system',
}

/** What keeps the folder from being written, and what to do. */
export function diskProblem(folder: string, error: unknown): string {
  const { code = '', message = String(error) } = error as NodeJS.ErrnoException
  return `nothing can be written to ${folder}: ${ADVICE[code] ?? message}`
}

const LATER = new Set(['EACCES', 'EPERM', 'EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'ESTALE', 'ETIMEDOUT'])

/** Whether a fault passes or is repaired by a person. What cannot be read is not lost then. */
export function mayBeReadLater(error: unknown): boolean {
  return LATER.has((error as NodeJS.ErrnoException).code ?? '')
}
