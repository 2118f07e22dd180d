#!/usr/bin/env node
// `npx ternion`: what the package's `bin` points to.

import process from 'node:process';
import { main } from './main';

const code = await main(process.argv.slice(2));
// Dawn has threads of its own, which would keep the process.
process.exit(code || process.exitCode);
