// Assertions about types. Nothing here runs: `npm run typecheck` is the test, and a wrong type is a compile error.

/** True for the very same type, `any` and `unknown` told apart. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Compiles only if its argument is `true`. */
export type Expect<True extends true> = True

/** Compiles only if both are the very same type. */
export declare function same<A, B>(...same: Equal<A, B> extends true ? [] : [never]): void
