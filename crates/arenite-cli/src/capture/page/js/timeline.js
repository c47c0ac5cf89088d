// Three charts over the same time: what lives, how often memory was asked for, how many bytes. A column for each row of the data.

const WIDTH = 1000;
const LEFT = 78;
const RIGHT = 988;

function column(row) {
  return LEFT + (RIGHT - LEFT) * row / data.rows.start.length;
}

// From 0 to a round value: binary for bytes, decimal for counts.
function ticks(most, binary) {
  const wanted = Math.max(most, binary ? 4 : 1) / 3;
  let step;
  if (binary) step = 2 ** Math.ceil(Math.log2(wanted));
  else {
    const power = 10 ** Math.floor(Math.log10(wanted));
    step = [1, 2, 5, 10].map((factor) => factor * power).find((value) => value >= wanted * 0.999);
    step = Math.max(1, step);
  }
  const list = [0];
  while (list[list.length - 1] < most) list.push(list.length * step);
  if (list.length === 1) list.push(step);
  return list;
}

// The seconds at which a moment lies, as a place on the axis.
function placeOf(time) {
  const { start, end } = data.rows;
  let [low, high] = [0, last];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (start[middle] <= time) low = middle;
    else high = middle - 1;
  }
  const length = end[low] - start[low];
  const part = length > 0 ? Math.min(1, Math.max(0, (time - start[low]) / length)) : 0;
  return column(low + part);
}

function axis(list, top, bottom, shown) {
  const y = (value) => bottom - (bottom - top) * value / list[list.length - 1];
  return drawn('g', { class: 'axis' }, list.map((value) => [
    drawn('path', { class: value === 0 ? 'zero' : 'grid', d: `M${LEFT} ${y(value).toFixed(1)}H${RIGHT}` }),
    drawn('text', { x: LEFT - 8, y: (y(value) + 4.5).toFixed(1), 'text-anchor': 'end' }, shown(value)),
  ]));
}

// Names along the bottom: numbers of frames, or times.
function foot(y) {
  const places = [];
  const rows = data.rows.start.length;
  const step = Math.max(1, Math.ceil(rows / 8));
  for (let row = 0; row < rows; row += step) places.push(row);
  return drawn('g', { class: 'axis' }, places.map((row) => {
    const kind = data.rows.kind[row];
    let name = hasFrames ? count(data.rows.number[row]) : seconds(data.rows.start[row]);
    if (kind === 0) name = 'start';
    return drawn('text', { x: column(row + 0.5).toFixed(1), y, 'text-anchor': row === 0 ? 'start' : 'middle' }, name);
  }));
}

function bars(values, list, top, bottom) {
  const width = Math.max(0.7, (RIGHT - LEFT) / values.length - (values.length < 300 ? 0.6 : 0));
  let path = '';
  values.forEach((value, row) => {
    if (value <= 0) return;
    const height = Math.max(0.8, (bottom - top) * value / list[list.length - 1]);
    path += `M${column(row).toFixed(2)} ${bottom}v${(-height).toFixed(2)}h${width.toFixed(2)}V${bottom}z`;
  });
  return path;
}

// Marks as lines, with as many names as have room; of lines that are close together the first one.
function markLines(top, bottom, named) {
  let room = -Infinity;
  let before = -Infinity;
  return drawn('g', { class: data.marks.length > 40 ? 'marks dense' : 'marks' }, data.marks.map((mark) => {
    const x = placeOf(mark.seconds);
    if (x - before < (data.marks.length > 40 ? 9 : 1)) return null;
    before = x;
    const line = drawn('path', { class: 'mark-line', d: `M${x.toFixed(1)} ${top}V${bottom}` },
      drawn('title', {}, `${mark.text}: ${ranged(mark.live, mark.live_within)} live, after ${seconds(mark.seconds)}`));
    const text = mark.text.length > 26 ? `${mark.text.slice(0, 25)}…` : mark.text;
    const width = 6.4 * text.length;
    if (!named || x < room || x + width > RIGHT) return line;
    room = x + width + 14;
    return [line, drawn('text', { class: 'mark-name', x: (x + 3).toFixed(1), y: top - 4 }, text)];
  }));
}

// What a row did, in a line.
function rowLine(rows, row) {
  const parts = [
    rowName(rows, row), `${bytes(rows.live[row])} live`, `${bytes(rows.peak[row])} at most`,
    counted(rows.calls[row], 'call', 'calls'), `${bytes(rows.bytes[row])} asked for`,
  ];
  if (hasFrames) parts.push(`${count(rows.temporaries[row])} made and freed in a frame`);
  return parts.join(' · ');
}

// The charts; `choose` gets the row that was clicked on.
function timeline(choose, small) {
  const { live, peak, calls, bytes: asked, start } = data.rows;
  const rows = start.length;
  if (rows === 0) return { charts: [element('p', { class: 'none' }, 'The recording has no events.')], press: () => {} };
  const charts = [];
  const cursors = [];
  const readout = element('p', { class: 'readout', 'aria-live': 'polite' }, '\u00a0');

  function pointer(svg, bottom, top) {
    const cursor = drawn('rect', { class: 'cursor', y: top, height: bottom - top, width: Math.max(2, (RIGHT - LEFT) / rows), x: -10 });
    const pressed = drawn('rect', { class: 'pressed', y: top, height: bottom - top, width: Math.max(2, (RIGHT - LEFT) / rows), x: -10 });
    cursors.push({ cursor, pressed });
    const at = (event) => {
      const box = svg.getBoundingClientRect();
      const x = (event.clientX - box.left) * WIDTH / box.width;
      return Math.min(last, Math.max(0, Math.floor((x - LEFT) / (RIGHT - LEFT) * rows)));
    };
    svg.append(pressed, cursor);
    svg.addEventListener('mousemove', (event) => {
      const row = at(event);
      for (const one of cursors) one.cursor.setAttribute('x', column(row).toFixed(2));
      readout.textContent = rowLine(data.rows, row);
    });
    svg.addEventListener('mouseleave', () => {
      for (const one of cursors) one.cursor.setAttribute('x', -10);
    });
    svg.addEventListener('click', (event) => choose(at(event)));
    charts.push(svg);
  }

  function area(values, y, bottom) {
    let path = `M${LEFT} ${bottom}`;
    values.forEach((value, row) => {
      path += `L${column(row).toFixed(1)} ${y(value).toFixed(1)}H${column(row + 1).toFixed(1)}`;
    });
    return path;
  }

  const what = hasFrames ? (data.frames.per_row > 1 ? `${data.frames.per_row} frames` : 'frame') : 'slice';
  {
    const [top, bottom] = [34, small ? 150 : 190];
    const list = ticks(largest(peak), true);
    const y = (value) => bottom - (bottom - top) * value / list[list.length - 1];
    pointer(chart('live', WIDTH, bottom + 28, `Live bytes over the recording, at most ${bytes(largest(peak))}`,
      drawn('text', { class: 'unit', x: 4, y: 14 }, 'live bytes; the line is the most in each column'),
      axis(list, top, bottom, bytes),
      drawn('path', { class: 'area mark s0', d: `${area(live, y, bottom)}L${RIGHT} ${bottom}z` }),
      drawn('path', { class: 'line mark s0', d: area(peak, y, bottom).replace(/^M[^L]*L/, 'M') }),
      markLines(top, bottom, true), foot(bottom + 20)), bottom, top);
  }
  for (const [name, values, title, binary, colour] of [
    ['calls', calls, `allocations and reallocations per ${what}`, false, 's1'],
    ['bytes', asked, `bytes asked for per ${what}`, true, 's2'],
  ]) {
    if (small && name === 'bytes') continue;
    const [top, bottom] = [26, small ? 90 : 120];
    const most = largest(values);
    const list = ticks(most, binary);
    pointer(chart(name, WIDTH, bottom + 24, `${title}, at most ${binary ? bytes(most) : count(most)}`,
      drawn('text', { class: 'unit', x: 4, y: 14 }, title),
      axis(list, top, bottom, binary ? bytes : brief),
      most > 0 ? drawn('path', { class: `bar mark ${colour}`, d: bars(values, list, top, bottom) }) : null,
      markLines(top, bottom, false), foot(bottom + 18)), bottom, top);
  }
  const press = (row) => {
    const x = row === null ? -10 : column(row).toFixed(2);
    for (const one of cursors) one.pressed.setAttribute('x', x);
  };
  return { charts: [...charts, readout], press };
}
