// What holds an answer to a grammar. Few answers are of a given shape, so this file is imported when the first of them is.

export { ThreadedGrammars } from '../grammar/service';
export { GrammarGuide, grammarTokens, grammarVocabulary } from './grammar-guide';
export { ReasoningGuide } from './reasoning-guide';
