/** Files as they come in, dropped, chosen or pasted, sorted into jobs. */

const HEADER = /\.(mhd|nhdr)$/i; // of a volume whose voxels lie in a second file
const VOXELS = /\.z?raw(\.gz)?$/i;
const HEAD = 8192; // bytes in which the modality of a DICOM file stands
const NO_SLICE = /\x08\0\x60\0[^]{4}(?!CT|MR|PT)[A-Z]{2}/; // Modality (0008,0060); its length, with or without its type, takes four bytes
const NOT_IMAGES = /^(\.|Thumbs\.db$|desktop\.ini$|DICOMDIR$)/i;

/** A file and the folder it came in, "" where it came alone. */
class Found {
  constructor(file, path = file.webkitRelativePath || file.name) {
    this.file = file;
    this.folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
  }
}

export function fromList(files) {
  return [...files].map((file) => new Found(file)).filter(isImage);
}

/** The files of a drop, with all that is in dropped folders. Entries have to be asked for before the first await: the drop is over then. */
export async function fromDrop(transfer) {
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.());
  if (!entries.some((entry) => entry?.isDirectory)) return fromList(transfer.files);
  const found = [];
  for (const entry of entries) if (entry) await walk(entry, found);
  return found.filter(isImage);
}

async function walk(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push(new Found(file, entry.fullPath.slice(1)));
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return; // a reader gives a hundred at a time, and at the end none
    for (const child of some) await walk(child, found);
  }
}

function isImage({ file }) {
  return !NOT_IMAGES.test(file.name);
}

/**
 * Groups of files, each to become one job: [{name, files}].
 *
 * Every file is a job of its own, but a header goes with its voxels, and DICOM files that came together from one folder may be one series,
 * unless they say that they are something else, such as radiographs; `ask(count, folders)` gives a promise of "series", "single" or "none".
 */
export async function grouped(found, ask) {
  const dicom = await Promise.all(found.map(({ file }) => mayBeSlice(file)));
  const folders = Map.groupBy(found.filter((_, at) => dicom[at]), ({ folder }) => folder);
  const several = [...folders].filter(([, members]) => members.length > 1);
  const single = (entries) => inPairs(entries).map((files) => ({ name: files[0].name, files }));
  if (!several.length) return single(found);
  const answer = await ask(several.reduce((sum, [, members]) => sum + members.length, 0), several.length);
  if (answer === "single") return single(found);
  const inSeries = new Set(several.flatMap(([, members]) => members));
  const others = single(found.filter((entry) => !inSeries.has(entry)));
  if (answer !== "series") return others;
  return [...several.map(([folder, members]) => ({ name: seriesName(folder, members), files: members.map(({ file }) => file) })), ...others];
}

/** Lists of files, one for each entry; voxels are in the list of the header that they have name and folder in common with. */
function inPairs(entries) {
  const place = ({ folder, file }, ending) => `${folder}/${file.name.replace(ending, "")}`;
  const voxels = Map.groupBy(entries.filter(({ file }) => VOXELS.test(file.name)), (entry) => place(entry, VOXELS));
  const headers = new Set(entries.filter(({ file }) => HEADER.test(file.name)).map((entry) => place(entry, HEADER)));
  return entries
    .filter((entry) => !VOXELS.test(entry.file.name) || !headers.has(place(entry, VOXELS)))
    .map((entry) => [entry, ...(HEADER.test(entry.file.name) ? (voxels.get(place(entry, HEADER)) ?? []) : [])].map(({ file }) => file));
}

function seriesName(folder, members) {
  return `${folder || members[0].file.name} (${members.length} files)`;
}

/** Whether it has the four letters that stand behind the preamble of every DICOM file, and does not say that it is no slice. */
async function mayBeSlice(file) {
  if (file.size < 132) return false;
  const head = String.fromCharCode(...new Uint8Array(await file.slice(128, 128 + HEAD).arrayBuffer()));
  return head.startsWith("DICM") && !NO_SLICE.test(head);
}
