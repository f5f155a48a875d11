/** Loads a save file in a process of its own, runs to a count, and prints where that ended: `node <bundle> <file> <count>`. */
import { readFileSync } from 'node:fs';
import { Facts } from '../../src/facts/facts';
import { decodeSave } from '../../src/machine/save';
import { buildMachine } from '../../src/vmm/build';

const [file = '', count = '0'] = process.argv.slice(2);
const save = decodeSave(readFileSync(file));
// The save brings the guest; the machine needs none to be built.
const machine = buildMachine(save.config, { segments: [], entry: 0, multiboot: false });
const facts = new Facts();
facts.follow(machine.events);
machine.register('facts', facts);
machine.load(save);
machine.run({ count: Number(count) });
process.stdout.write(JSON.stringify({ state: machine.stateHash(), events: machine.events.hash, facts: facts.save() }));
