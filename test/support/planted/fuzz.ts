// Parsers with a bug each, which the fuzzer has to find: they stand in for those of the engine.
import { fuzz } from '../../../tools/fuzz/fuzz';
import { plantedCategories } from './categories';

await fuzz(plantedCategories(), process.argv.slice(2));
process.exit();
