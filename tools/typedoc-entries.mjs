// A plugin of TypeDoc: modules of the reference have the names by which they are imported.
import { Converter, ReflectionKind } from 'typedoc';

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (context, reflection) => {
    const name = /^(?:surfaces\/)?(index|inline|[\w-]+)$/.exec(reflection.name);
    // Modules only; all of them are entries of the package.
    if (reflection.kind !== ReflectionKind.Module || !name) return;
    reflection.name = name[1] === 'index' ? 'ternion' : `ternion/${name[1]}`;
  });
}
