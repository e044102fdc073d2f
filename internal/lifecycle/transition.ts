/** For each state of an object, the states that may follow it. The last state has an empty list. */
export type Transitions<State extends string> = Readonly<Record<State, readonly State[]>>

type BugHandler = (bug: Error) => void

const throwBug: BugHandler = (bug) => {
  throw bug
}

let handleBug = throwBug

/**
 * Sets what this process does about illegal transitions of all its objects. By default they throw, so that a test
 * fails. A program that carries samples logs them and goes on: thrown in a timer or behind the answer of a broker, they
 * would end the process, and the samples in its memory with it.
 *
 * @param handler undefined sets the default
 */
export function onIllegalTransition(handler: BugHandler | undefined): void {
  handleBug = handler ?? throwBug
}

/**
 * Guards the one method of an object that changes its state. A change that the table does not list is a bug of this
 * program, never of its input. The object then keeps its state, and the handler of `onIllegalTransition` is told.
 *
 * @param what names the object in the error. Pass a constant: a text built at each call would be an allocation for each
 *   message
 * @returns whether the table lists the change
 */
export function checkTransition<State extends string>(
  what: string,
  transitions: Transitions<State>,
  from: State,
  to: State,
): boolean {
  if (transitions[from].includes(to)) return true
  handleBug(new Error(`${what} that is ${from} cannot become ${to}`))
  return false
}
