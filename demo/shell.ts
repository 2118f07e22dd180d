// What the service worker of the demo is told of the build that it belongs to.

/** The files of a build. Paths are relative to the folder of the demo. */
export interface Shell {
  /** Changes with any of the files. */
  version: string;
  /** Scripts and styles, whose names have a hash of what is in them. */
  assets: string[];
  /** Pages, whose names stay; `integrity` as in HTML. */
  pages: { path: string; integrity: string }[];
}
