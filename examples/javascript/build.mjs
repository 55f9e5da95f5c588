// Makes a component of words.js.

import { writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const { component } = await componentize({
  sourcePath: 'words.js',
  witPath: 'words.wit',
  worldName: 'words',
});
await writeFile('words.wasm', component);
