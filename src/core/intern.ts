/**
 * Names that are compared at every call, as strings that V8 compares by their address. A string that was put together is
 * compared piece by piece in V8's runtime, and so is one of which a property's name was made later.
 */
export function intern(name: string): string {
  return Object.keys({ [name]: true })[0] as string
}
