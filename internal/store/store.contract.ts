import { describe } from 'vitest'
import { harnessOf, type OpenStore } from './harness.contract.ts'
import { readerContract } from './reader.contract.ts'
import { type StoreTraits, writerContract } from './writer.contract.ts'

export { CONTRACT_DAY_US, type OpenStore } from './harness.contract.ts'

/**
 * The promises of every store. Each implementation runs this suite. The store may contain other data, and no two tests share a
 * measurement.
 *
 * @param open called once; the store must be ready for writes
 */
export function storeContract(name: string, open: () => Promise<OpenStore>, traits: StoreTraits): void {
  describe(`the store contract: ${name}`, () => {
    const store = harnessOf(open)
    writerContract(store, traits)
    readerContract(store, traits)
  })
}
