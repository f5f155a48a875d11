/** One use of a multi-line macro: its arguments, and their substitution for `%1`, `%0`, `%%label` and the like. */
import { rangeOf, SourceError } from './diagnostics';
import { type BlockMacro, type Context, pasted, placed, tokensAt, trimmed } from './macro-table';
import { unbraced } from './line-macros';
import type { Token } from './tokens';

export interface MacroFrame {
  readonly macro: BlockMacro;
  readonly args: readonly (readonly Token[])[];
  /** Unique in the pass, for `%%label`. */
  readonly id: number;
  /** Label that stood before the use, `%00`. */
  readonly label: readonly Token[];
  /** The name as it was used. */
  readonly use: Token;
  /** Moved by `%rotate`. */
  rotation: number;
}

const inverse: Readonly<Record<string, string>> = (() => {
  const pairs = 'a na|ae nae|b nb|be nbe|c nc|e ne|g ng|ge nge|l nl|le nle|o no|p np|s ns|z nz|pe po';
  const table: Record<string, string> = {};
  for (const pair of pairs.split('|')) {
    const [one, other] = pair.split(' ');
    if (one === undefined || other === undefined) continue;
    table[one] = other;
    table[other] = one;
  }
  return table;
})();

/** Splits the text after a macro's name into arguments and fits them to the parameters. */
export function argumentsOf(rest: readonly Token[]): (readonly Token[])[] {
  const solid = trimmed(rest);
  if (solid.length === 0) return [];
  const args: Token[][] = [[]];
  let depth = 0;
  for (const token of solid) {
    if (token.text === '{' || token.text.startsWith('%{')) depth += token.text === '{' ? 1 : 0;
    else if (token.text === '}') depth--;
    if (token.text === ',' && depth === 0) args.push([]);
    else if (token.kind !== 'comment') args[args.length - 1]?.push(token);
  }
  return args.map((arg) => trimmed(arg));
}

/** The arguments with defaults filled in, greedy ones joined and braces taken off; undefined when their number does not fit. */
export function fitArguments(
  macro: BlockMacro,
  given: readonly (readonly Token[])[],
): (readonly Token[])[] | undefined {
  if (given.length < macro.fewest || (given.length > macro.most && !macro.greedy)) return undefined;
  const args = given.map((arg) => unbraced(arg));
  if (macro.greedy && given.length > macro.most && macro.most > 0) {
    const tail = given.slice(macro.most - 1);
    const comma: Token = {
      kind: 'operator',
      text: ',',
      file: macro.place.file,
      line: macro.place.line,
      column: macro.place.column,
    };
    args.splice(
      macro.most - 1,
      args.length,
      tail.flatMap((arg, index) => (index === 0 ? arg : [comma, ...arg])),
    );
  }
  const most = Number.isFinite(macro.most) ? macro.most : macro.fewest + macro.defaults.length;
  while (args.length < most) {
    const standard = macro.defaults[args.length - macro.fewest];
    if (!standard) break;
    args.push(standard);
  }
  return args;
}

/** Replaces parameters, macro-local labels and context-local names in a line of a macro body (or of a file: `frame` undefined). */
export function substitute(
  tokens: readonly Token[],
  frame: MacroFrame | undefined,
  contexts: readonly Context[],
): readonly Token[] {
  if (!tokens.some((token) => token.kind === 'macro')) return tokens;
  return pasted(tokens.flatMap((token) => (token.kind === 'macro' ? replacement(token, frame, contexts) : [token])));
}

function replacement(token: Token, frame: MacroFrame | undefined, contexts: readonly Context[]): readonly Token[] {
  const name = token.text.startsWith('%{') ? token.text.slice(2, -1) : token.text.slice(1);
  if (name.startsWith('$')) return tokensAt(contextName(name, token, contexts), token);
  if (!frame) return [token];
  if (name.startsWith('%')) return [{ ...placed(token, token), kind: 'word', text: `..@${frame.id}.${name.slice(1)}` }];
  if (name === '?' || name === '??')
    return [placed({ ...frame.use, text: name === '?' ? frame.use.text : frame.macro.name }, token)];
  const range = /^(-?\d+):(-?\d+)$/.exec(name);
  if (range) return argumentRange(frame, Number(range[1]), Number(range[2]), token);
  if (!/^[-+]?\d+$/.test(name)) return [token];
  if (name === '0') return tokensAt(String(countOf(frame)), token);
  if (name === '00') return frame.label;
  const index = Number(name.replace(/^[-+]/, ''));
  const value = argument(frame, index);
  return name.startsWith('-') ? invertedCondition(value, token) : value;
}

function countOf(frame: MacroFrame): number {
  return frame.args.length;
}

function argument(frame: MacroFrame, index: number): readonly Token[] {
  const count = frame.args.length;
  if (index < 1 || index > count) return [];
  return frame.args[(index - 1 + frame.rotation) % count] ?? [];
}

function argumentRange(frame: MacroFrame, first: number, last: number, at: Token): readonly Token[] {
  const count = frame.args.length;
  const from = first < 0 ? count + 1 + first : first;
  const to = last < 0 ? count + 1 + last : last;
  const step = from <= to ? 1 : -1;
  const result: Token[] = [];
  for (let index = from; index !== to + step; index += step) {
    if (result.length > 0) result.push(...tokensAt(',', at));
    result.push(...argument(frame, index));
  }
  return result;
}

function invertedCondition(value: readonly Token[], at: Token): readonly Token[] {
  const text = value[0]?.text.toLowerCase() ?? '';
  const other = inverse[text];
  if (other === undefined)
    throw new SourceError(
      `"${at.text}" inverts a condition code such as "e" or "nz", and "${text}" is none.`,
      rangeOf(at),
    );
  return tokensAt(other, at);
}

/** `%$x` is `x` of the innermost context, `%$$x` of the one around it. */
function contextName(name: string, token: Token, contexts: readonly Context[]): string {
  const depth = /^\$+/.exec(name)?.[0].length ?? 1;
  const context = contexts[contexts.length - depth];
  if (!context) throw new SourceError(`"${token.text}" needs a context; open one with %push.`, rangeOf(token));
  return `..@${context.name}${context.id}.${name.slice(depth)}`;
}
