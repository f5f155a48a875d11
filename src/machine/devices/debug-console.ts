/** The debug console of Bochs and QEMU: bytes written to port 0xe9 are shown; reading it gives 0xe9 where there is one. */

export const DEBUG_CONSOLE_PORT = 0xe9;

export class DebugConsole {
  /** @param show takes each byte */
  constructor(private readonly show: (byte: number) => void) {}

  read(): number {
    return DEBUG_CONSOLE_PORT;
  }

  write(value: number): void {
    this.show(value);
  }
}
