import { describe, expect, it } from 'vitest';
import { generateInterpreter } from './generate';
import { listHandlers } from './handlers';

describe('interpreter generator', () => {
  it('emits a valid module, the same each time', () => {
    const bytes = generateInterpreter();
    expect(WebAssembly.validate(bytes)).toBe(true);
    expect(generateInterpreter()).toEqual(bytes);
  });

  it('keeps the main loop small enough for the optimizing compiler (engine.md: some hundred handlers)', () => {
    const handlers = [...listHandlers().values()];
    const hot = handlers.filter((handler) => handler.hot).length;
    expect(hot).toBeGreaterThan(100);
    expect(hot).toBeLessThan(400);
    expect(handlers.length).toBeGreaterThan(hot);
  });
});
