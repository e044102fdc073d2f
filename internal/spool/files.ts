import { type FileHandle, open, readdir, stat, unlink } from 'node:fs/promises'
import { makeFolder } from './make-folder.ts'

/** A file of a log, as far as a log uses it. */
export type LogFile = Pick<FileHandle, 'read' | 'write' | 'writev' | 'truncate' | 'sync' | 'datasync' | 'close'>

/** All that a log does with the file system. Each call throws the error of the file system. */
export interface Files {
  open(path: string, flags: string, mode?: number): Promise<LogFile>
  unlink(path: string): Promise<void>
  /** The names in a folder. */
  readdir(folder: string): Promise<string[]>
  stat(path: string): Promise<{ readonly size: number }>
  makeFolder(folder: string): Promise<void>
}

export const realFiles: Files = { open, unlink, readdir, stat, makeFolder }
