/** What the meaning of decoded code depends on besides its bytes: code size, CS limit, and which segments are flat. */
import { CS, DS, ES, FS, GS, type SegmentIndex, SS } from '../x86/registers';
import { flatLimit } from './segmentation';
import { AR_DB, type CpuState } from './state';

const DATA_SEGMENTS = [ES, SS, DS, FS, GS] as const;

export interface CodeMode {
  readonly bitness: 16 | 32;
  readonly codeLimit: number;
  readonly codeBase: number;
  /** Up to this address the flat segments need no check; the fast arrays hold nothing above. */
  readonly flatLimit: number;
  /** Bit n: segment n is flat (base 0, writable, limit at least `flatLimit`). */
  readonly flatSegments: number;
  /** SS is flat and ESP is 32 bits wide. */
  readonly flatStack: boolean;
  /** Equal for equal decodings. */
  readonly key: string;
}

export function codeMode(state: CpuState): CodeMode {
  const dataLimit = flatLimit(state, DS);
  const stackLimit = flatLimit(state, SS);
  // DS and SS decide; a segment with a smaller limit is merely not flat.
  const common = dataLimit === 0 ? stackLimit : stackLimit === 0 ? dataLimit : Math.min(dataLimit, stackLimit);
  let flatSegments = 0;
  for (const segment of DATA_SEGMENTS) {
    const limit = flatLimit(state, segment);
    if (limit !== 0 && limit >= common) flatSegments |= 1 << segment;
  }
  const bitness = (state.attributes(CS) & AR_DB) !== 0 ? 32 : 16;
  const flatStack = (flatSegments & (1 << SS)) !== 0 && (state.attributes(SS) & AR_DB) !== 0;
  const codeLimit = state.limit(CS);
  const codeBase = state.base(CS);
  return {
    bitness,
    codeLimit,
    codeBase,
    flatLimit: common,
    flatSegments,
    flatStack,
    key: `${bitness} ${codeBase} ${codeLimit} ${flatSegments} ${flatStack}`,
  };
}

export function isFlat(mode: CodeMode, segment: SegmentIndex): boolean {
  return (mode.flatSegments & (1 << segment)) !== 0;
}
