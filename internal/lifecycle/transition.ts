/** For each state of an object, the states that may follow it. The last state has an empty list. */
export type Transitions<State extends string> = Readonly<Record<State, readonly State[]>>

/**
 * Guards the one method of an object that changes its state.
 *
 * @param what names the object in the error. Pass a constant: a text built at each call would be an allocation for each
 *   message
 * @throws when the table does not list the change: a bug of this program, never of its input
 */
export function assertTransition<State extends string>(
  what: string,
  transitions: Transitions<State>,
  from: State,
  to: State,
): void {
  if (!transitions[from].includes(to)) throw new Error(`${what} that is ${from} cannot become ${to}`)
}
