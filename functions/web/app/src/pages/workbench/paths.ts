/** The path of the directory that has the entry. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

export const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

export const joined = (directory: string, name: string): string => `${directory === "/" ? "" : directory}/${name}`;

/** Whether the path is the ancestor itself, or below it. */
export const isWithin = (path: string, ancestor: string): boolean =>
  path === ancestor || ancestor === "/" || path.startsWith(`${ancestor}/`);

/** The path after `from` was moved to `to`. */
export const afterMove = (path: string, from: string, to: string): string =>
  isWithin(path, from) ? to + path.slice(from.length) : path;

/** The order of the API: that of the bytes in UTF-8, which is that of the code points. */
export function compareNames(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x === y) continue;
    // Surrogates stand for code points beyond all others.
    const [low, high] = [isSurrogate(x), isSurrogate(y)];
    return low === high ? x - y : low ? 1 : -1;
  }
  return a.length - b.length;
}

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff;

/** Why the API would reject the name of an entry; undefined if it would not. */
export function nameProblem(name: string): string | undefined {
  if (!name) return "Enter a name.";
  if (name === "." || name === "..") return "This name stands for a folder. Choose another one.";
  if (name.includes("/")) return "A name has no slash. Move the entry to put it into another folder.";
  if (/[\u0000-\u001f\u007f-\u009f]/.test(name)) return "A name has no control characters.";
  if (new TextEncoder().encode(name).length > 255) return "The name is longer than 255 bytes.";
  return undefined;
}
