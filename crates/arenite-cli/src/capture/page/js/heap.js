// Where blocks lie: a square for each cell of the address space that has some, in the colour of the tag that has most of it.

view('heap', 'Heap map', 'Addresses of live blocks, and how much of the memory that they touch they use.', (section) => {
  let which = 'end';
  const buttons = choice('When', [['end', 'at the end'], ...(data.map.peak ? [['peak', 'at the peak']] : [])], which, (id) => go(`heap/${id}`));
  const figures = element('div', { class: 'cards', id: 'heap-figures' });
  const canvas = element('canvas', { id: 'heap-canvas', role: 'img' });
  const readout = element('p', { class: 'readout', 'aria-live': 'polite' }, '\u00a0');
  const legend = element('ul', { class: 'legend' });
  const ranges = element('div');
  section.append(card('Live blocks by address', element('div', { class: 'tools' }, buttons), figures, canvas, readout, legend,
    element('p', { class: 'hint', id: 'heap-hint' }),
    isSample ? note('These are the blocks of the sample: nothing is known of where the others are.') : null), ranges);
  let cells = [];
  let columns = 1;
  let side = 8;

  function colour(tag) {
    const style = getComputedStyle(document.documentElement);
    return style.getPropertyValue(tag >= 1 && tag <= 8 ? `--c${tag - 1}` : '--soft').trim();
  }

  function paint() {
    const map = data.map[which];
    const width = Math.max(200, canvas.parentElement.clientWidth - 42);
    side = cells.length > 6000 ? 7 : cells.length > 1500 ? 10 : 14;
    columns = Math.max(8, Math.floor(width / side));
    const rows = Math.max(1, Math.ceil(cells.length / columns));
    const scale = window.devicePixelRatio || 1;
    canvas.width = Math.round(columns * side * scale);
    canvas.height = Math.round(rows * side * scale);
    canvas.style.width = `${columns * side}px`;
    canvas.style.height = `${rows * side}px`;
    const context = canvas.getContext('2d');
    context.scale(scale, scale);
    const style = getComputedStyle(document.documentElement);
    const [track, ink] = [style.getPropertyValue('--track').trim(), style.getPropertyValue('--ink').trim()];
    const colours = new Map();
    cells.forEach((cell, place) => {
      const [x, y] = [(place % columns) * side, Math.floor(place / columns) * side];
      if (!colours.has(cell.tag)) colours.set(cell.tag, colour(cell.tag));
      context.globalAlpha = 1;
      context.fillStyle = track;
      context.fillRect(x, y, side - 1, side - 1);
      context.globalAlpha = 0.25 + 0.75 * Math.min(1, cell.bytes / map.cell);
      context.fillStyle = colours.get(cell.tag);
      context.fillRect(x, y, side - 1, side - 1);
      // Between this cell and the one before it is a gap.
      if (cell.begins && place > 0) {
        context.globalAlpha = 1;
        context.fillStyle = ink;
        context.fillRect(x, y, 1.5, side - 1);
      }
    });
  }

  function address(cell) {
    return `0x${(BigInt(`0x${cell.start}`) + BigInt(cell.place) * BigInt(data.map[which].cell)).toString(16)}`;
  }

  canvas.addEventListener('mousemove', (event) => {
    const box = canvas.getBoundingClientRect();
    const place = Math.floor((event.clientY - box.top) / side) * columns + Math.floor((event.clientX - box.left) / side);
    const cell = cells[place];
    if (cell) readout.textContent = `${address(cell)}: ${bytes(cell.bytes)} of ${bytes(data.map[which].cell)} in use, ${percent(cell.tagBytes, cell.bytes)} of it ${data.tag_names[cell.tag]}`;
  });
  window.addEventListener('resize', () => { if (canvas.offsetParent) paint(); });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { if (canvas.offsetParent) paint(); });

  function draw() {
    const map = data.map[which];
    cells = map.runs.flatMap((run) => {
      const list = [];
      for (let at = 0; at < run.cells.length; at += 3) {
        list.push({ start: run.start, place: at / 3, bytes: run.cells[at], tag: run.cells[at + 1], tagBytes: run.cells[at + 2], begins: at === 0 });
      }
      return list;
    });
    const figure = (title, value, remark, id) => element('div', { class: 'figure' }, element('h3', {}, title),
      element('p', { class: 'value', id }, value), element('p', {}, remark));
    figures.replaceChildren(
      figure('Live', bytes(map.bytes), `in ${counted(map.blocks, 'block', 'blocks')}`, 'heap-live'),
      figure('Pages of 4 KiB', percent(map.bytes, map.pages * 4096), `in use: live bytes of the ${bytes(map.pages * 4096)} that they touch`, 'heap-pages'),
      figure('Ranges of 64 KiB', percent(map.bytes, map.ranges * 65536), `in use: of the ${bytes(map.ranges * 65536)} that they touch`, 'heap-ranges'));
    canvas.setAttribute('aria-label', `Map of ${count(cells.length)} cells of ${bytes(map.cell)} with live blocks`);
    const used = [...new Set(cells.map((cell) => cell.tag))].sort((a, b) => a - b);
    const shown = used.filter((tag) => tag >= 1 && tag <= 8);
    legend.replaceChildren(...shown.map((tag) => element('li', {}, element('i', { class: `swatch ${tagColour(tag)}` }), data.tag_names[tag])),
      ...(used.length > shown.length ? [element('li', {}, element('i', { class: 'swatch other' }), 'other tags')] : []));
    document.getElementById('heap-hint').textContent = `A square is ${bytes(map.cell)} of addresses in which blocks lie, in the colour of the tag that has most there; the paler, the less of it is in use. Dark lines are gaps: addresses in between hold no block. Sizes are those that were asked for, so that what an allocator rounds up counts as free.`;
    const rows = map.runs.map((run) => {
      let live = 0;
      for (let at = 0; at < run.cells.length; at += 3) live += run.cells[at];
      return { start: run.start, extent: run.cells.length / 3 * map.cell, live };
    });
    ranges.replaceChildren(card('Address ranges without a gap', table({
      name: 'ranges', rows, sorted: 1, piece: 15, empty: 'No block lives.',
      columns: [{ name: 'from', of: (row) => row.start, show: (value) => `0x${value}`, first: true }, columnOf.bytes('extent', 'extent'),
        columnOf.bytes('live', 'live'), { name: 'in use', of: (row) => row.live / row.extent, show: (value) => percent(value, 1), bar: (row) => row.live / row.extent }],
    })));
    paint();
  }

  return (rest) => {
    which = rest === 'peak' && data.map.peak ? 'peak' : 'end';
    buttons.press(which);
    draw();
  };
});
