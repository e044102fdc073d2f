import { describe } from 'vitest'
import { harnessOf, type OpenStore } from './harness.contract.ts'
import { readerContract } from './reader.contract.ts'
import { type StoreTraits, writerContract } from './writer.contract.ts'

export { CONTRACT_DAY_US, type OpenStore } from './harness.contract.ts'

/**
 * What every store promises, run by each implementation. The store may hold other data; no two tests share a
 * measurement.
 *
 * @param open called once; the store must be ready to take samples
 */
export function storeContract(name: string, open: () => Promise<OpenStore>, traits: StoreTraits): void {
  describe(`the store contract: ${name}`, () => {
    const store = harnessOf(open)
    writerContract(store, traits)
    readerContract(store)
  })
}
