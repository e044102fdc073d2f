// Loaded with `--import`: writes of more than 64 KiB to a file fail, as on a disk of that size. For machines on which nobody may mount one.
import promises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

const { writeFile } = promises
promises.writeFile = (path, data, ...rest) =>
  data?.length > 64 * 1024
    ? Promise.reject(Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }))
    : writeFile(path, data, ...rest)
syncBuiltinESMExports()
