/** The interpreter for callers that bring none: generated and compiled once per process. */
import { generateInterpreter } from './generate';

let compiled: WebAssembly.Module | undefined;

/** The compiled module. It is immutable and a function of the source alone, so machines may share it. */
export function defaultInterpreter(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(generateInterpreter());
  return compiled;
}
