/** Why and how a run came to an end. */

export type StopReason =
  | 'entry'
  | 'step'
  | 'breakpoint'
  | 'function breakpoint'
  | 'instruction breakpoint'
  | 'data breakpoint'
  | 'exception'
  | 'pause'
  | 'goto';

export type Stop =
  | {
      readonly kind: 'stopped';
      /** As the Debug Adapter Protocol names it. */
      readonly reason: StopReason;
      /** Names the cause, as "Paused on ...". */
      readonly description: string;
      /** More to read about an exception. */
      readonly text?: string;
      readonly breakpointIds: readonly number[];
    }
  | {
      readonly kind: 'ended';
      /** 0: the guest ended as it meant to. */
      readonly exitCode: number;
      readonly description: string;
    }
  /** The session was halted for good while it ran (terminate, restart, disconnect). */
  | { readonly kind: 'abandoned' };
