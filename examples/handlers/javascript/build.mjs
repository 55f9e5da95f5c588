// Makes a component of proxy.js.

import { writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const { component } = await componentize({
  sourcePath: 'proxy.js',
  witPath: 'proxy.wit',
  worldName: 'proxy',
});
await writeFile('proxy.wasm', component);
