/** The VMM's exit handlers by name; an `exit` event holds the index. Names are appended, never moved, so that saves stay readable. */

export const HANDLER_NAMES = [
  'exit:exception',
  'exit:external interrupt',
  'exit:triple fault',
  'exit:interrupt window',
  'exit:CPUID',
  'exit:HLT',
  'exit:INVLPG',
  'exit:CR access',
  'exit:MOV DR',
  'exit:I/O',
  'exit:MSR',
  'exit:EPT violation',
  'exit:entry failure',
  'exit:emulate',
  'exit:unexpected',
] as const;

export type HandlerName = (typeof HANDLER_NAMES)[number];

/** The index that stands for a handler in events. */
export function handlerIndex(name: HandlerName): number {
  return HANDLER_NAMES.indexOf(name);
}

/** The name of an index, or `handler N` for one that this version does not have. */
export function handlerName(index: number): string {
  return HANDLER_NAMES[index] ?? `handler ${index}`;
}
