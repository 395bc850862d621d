// What the types of After Effects' own scripts leave out.
type Extract<T, U> = T extends U ? T : never;
