// The engine under everything that pages do to it, for hours: `npm run soak -- --hours 8`. tools/soak.mjs has chosen the driver.

import { soak } from './soak/soak';

await soak(process.argv.slice(2));
// Dawn keeps threads of its own.
process.exit();
