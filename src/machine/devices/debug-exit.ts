/** The debug-exit port: a byte written to it ends the machine; 0 says that the guest ended as it meant to. */

export const DEBUG_EXIT_PORT = 0xf4;

export class DebugExit {
  /** @param exit told the byte */
  constructor(private readonly exit: (value: number) => void) {}

  read(): number {
    return 0;
  }

  write(value: number): void {
    this.exit(value);
  }
}
