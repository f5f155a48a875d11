/** How the debugger reaches files: through a host that may only read asynchronously (web hosts). */

export interface SourceFiles {
  /**
   * The content of a file, undefined when there is none or it cannot be read.
   * @param path an absolute path, or a URI with a scheme, as the launch configuration or an `%include` led to it
   */
  read(path: string): Promise<Uint8Array | undefined>;
}
