// Hostile input for everything that reads what others have made: `npm run fuzz -- --cases 10000`.

import { allCategories } from './fuzz/categories';
import { fuzz } from './fuzz/fuzz';

await fuzz(allCategories(), process.argv.slice(2));
process.exit();
