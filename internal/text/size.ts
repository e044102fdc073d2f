import { type Figure, figureText, scaled } from './figure.ts'

const SI = ['', 'k', 'M', 'G', 'T', 'P', 'E']
const IEC = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']

/** `64.0 MiB`: memory and disks, in powers of 1,024. It has three digits, so that a changing number keeps its width. */
export function sizeFigure(bytes: number): Figure {
  return scaled(bytes, 1024, IEC, 'B')
}

/** `64 MiB`, `1.5 GiB`: a size within a sentence, without trailing zeros. */
export function sizeText(bytes: number): string {
  const { text, unit } = sizeFigure(bytes)
  return figureText({ text: String(Number(text)), unit })
}

/** `3.10 MB/s`: speeds of networks and disks count in powers of 1,000. */
export function byteRateFigure(bytesPerSecond: number): Figure {
  return scaled(bytesPerSecond, 1000, SI, 'B/s')
}
