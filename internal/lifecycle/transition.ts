/** For each state of an object the states that may follow it. A state that nothing follows has an empty list. */
export type Transitions<State extends string> = Readonly<Record<State, readonly State[]>>

/**
 * Guards the one method of an object that changes its state.
 *
 * @param what names the object in the error
 * @throws when the table does not list the change: a fault of this program, never of its input
 */
export function assertTransition<State extends string>(
  what: string,
  transitions: Transitions<State>,
  from: State,
  to: State,
): void {
  if (!transitions[from].includes(to)) throw new Error(`${what} cannot change from ${from} to ${to}`)
}
