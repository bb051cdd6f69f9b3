/** The borders of labels as paths along the edges of pixels: filled and drawn they are sharp at any zoom, and exact to the pixel. */

// Directions right, down, left, up. Walking along an edge, the label is on the right hand. For each, from a corner (x, y) of the grid:
// the pixel ahead on the left hand, and the one ahead on the right.
const STEP = [[1, 0], [0, 1], [-1, 0], [0, -1]];
const LEFT = [[0, -1], [0, 0], [-1, 0], [-1, -1]];
const RIGHT = [[0, 0], [-1, 0], [-1, -1], [0, -1]];

/**
 * The border of everything that has one label, holes included, as a path for the fill rule "evenodd".
 *
 * @param {Uint8Array|Uint8ClampedArray} labels row by row
 * @param {number} width of a row
 * @param {number} label
 * @returns {Path2D} in pixels: the first pixel of the first row is the square from (0, 0) to (1, 1)
 */
export function border(labels, width, label) {
  const height = labels.length / width;
  const inside = (x, y) => x >= 0 && y >= 0 && x < width && y < height && labels[y * width + x] === label;
  const walked = new Uint8Array(labels.length); // pixels whose upper edge has been walked along
  const path = new Path2D();
  for (let at = labels.indexOf(label); at >= 0; at = labels.indexOf(label, at + 1)) {
    const x = at % width;
    const y = (at - x) / width;
    if (!walked[at] && !inside(x, y - 1)) walk(path, inside, walked, width, x, y);
  }
  return path;
}

function walk(path, inside, walked, width, startX, startY) {
  let [x, y, direction] = [startX, startY, 0];
  path.moveTo(x, y);
  do {
    if (direction === 0) walked[y * width + x] = 1;
    x += STEP[direction][0];
    y += STEP[direction][1];
    const before = direction;
    if (inside(x + LEFT[direction][0], y + LEFT[direction][1])) direction = (direction + 3) % 4;
    else if (!inside(x + RIGHT[direction][0], y + RIGHT[direction][1])) direction = (direction + 1) % 4;
    if (direction !== before) path.lineTo(x, y);
  } while (x !== startX || y !== startY || direction !== 0);
  path.closePath();
}
