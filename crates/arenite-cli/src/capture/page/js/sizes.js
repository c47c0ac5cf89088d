// How large blocks are, how long they live, and which threads did it.

view('sizes', 'Sizes, threads', 'Blocks by size and by lifetime, and what each thread did.', (section) => {
  const power = (place, unit) => (place === 0 ? `0 ${unit}` : null);
  const sizeName = (place) => power(place, 'B') || (place === 1 ? '1 B' : `${bytes(2 ** (place - 1))} …`);
  const timeName = (place) => power(place, 'ns') || `${seconds(2 ** (place - 1) / 1e9)} …`;

  // Bars upwards, one for each power of two between the first and the last.
  function histogram(name, label, list, named, shown, series) {
    if (list.length === 0) return element('p', { class: 'none' }, 'There are none.');
    const [low, high] = [list[0][0], list[list.length - 1][0]];
    const places = Array.from({ length: high - low + 1 }, (_, at) => low + at);
    const values = new Map(list.map((entry) => [entry[0], entry]));
    const [top, bottom] = [26, 190];
    const wide = (RIGHT - LEFT) / places.length;
    // Powers of ten: one size that is made a thousand times as often as the others must not hide them.
    const powers = Math.max(1, Math.ceil(Math.log10(largest(list.map((entry) => entry[1])) || 1)));
    const step = Math.ceil(powers / 6);
    const steps = Array.from({ length: Math.floor(powers / step) + 1 }, (_, at) => 10 ** (at * step));
    const y = (value) => bottom - 8 - (bottom - 8 - top) * Math.log10(Math.max(1, value)) / powers;
    const every = Math.ceil(places.length / 11);
    const bar = (place, at) => {
      const entry = values.get(place);
      if (!entry || entry[1] === 0) return null;
      const width = Math.max(1, Math.min(60, wide - 3));
      const x = LEFT + at * wide + (wide - width) / 2;
      const part = (value, kind) => (value > 0 ? drawn('rect', {
        class: `bar mark ${kind}`, x: x.toFixed(1), y: (bottom - Math.max(1, bottom - y(value))).toFixed(1), width: width.toFixed(1), height: Math.max(1, bottom - y(value)).toFixed(1),
      }) : null);
      return drawn('g', {}, drawn('title', {}, shown(entry)), part(entry[1], series), part(entry[3] || 0, 's1'));
    };
    return chart(name, WIDTH, bottom + 30, label,
      drawn('text', { class: 'unit', x: 4, y: 14 }, 'blocks, in powers of ten'),
      drawn('g', { class: 'axis' }, steps.map((value) => [
        drawn('path', { class: 'grid', d: `M${LEFT} ${y(value).toFixed(1)}H${RIGHT}` }),
        drawn('text', { x: LEFT - 8, y: (y(value) + 4.5).toFixed(1), 'text-anchor': 'end' }, brief(value)),
      ])), places.map(bar),
      drawn('g', { class: 'axis' }, places.map((place, at) => (at % every === 0
        ? drawn('text', { x: (LEFT + (at + 0.5) * wide).toFixed(1), y: bottom + 20, 'text-anchor': 'middle' }, named(place)) : null))));
  }

  section.append(card('Blocks by size', histogram('sizes', 'Histogram: blocks that were made, by size', data.sizes, sizeName,
    ([place, blocks, size, live]) => `${sizeName(place)}: ${counted(blocks, 'block', 'blocks')} of ${bytes(size)}; ${count(live)} live at the end`, 's0'),
  element('ul', { class: 'legend' }, element('li', {}, element('i', { class: 'swatch s0' }), 'made, by allocation or reallocation'), element('li', {}, element('i', { class: 'swatch s1' }), 'of these live at the end')),
  note('Each bar is a power of two: from its name to just below the next one.')));
  section.append(card('Blocks by how long they lived', histogram('lifetimes', 'Histogram: blocks that were given back, by lifetime', data.lifetimes, timeName,
    ([place, blocks]) => `${timeName(place)}: ${counted(blocks, 'block', 'blocks')}`, 's2'),
  note('Blocks that were given back, since they were made or last resized. What still lives is not among them.')));
  section.append(card('Sizes', table({
    name: 'sizes', rows: data.sizes.map(([place, blocks, size, live]) => ({ place, blocks, bytes: size, live })), piece: 70, empty: 'No block was made.',
    columns: [{ name: 'from', of: (row) => row.place, show: sizeName, first: true }, columnOf.count('blocks', 'blocks'), columnOf.bytes('bytes', 'bytes', data.total.bytes), columnOf.count('live at the end', 'live')],
  })));
  const threads = data.threads.map((row) => ({ ...row, calls: row.allocs + row.reallocs }))
    .filter((row) => row.calls + row.frees > 0 || row.name !== null);
  section.append(card('Threads', table({
    name: 'threads', rows: threads, sorted: 2, piece: 60, empty: 'No thread did anything.',
    columns: [
      { name: 'thread', of: (row) => (row.name === null ? `thread ${row.number}` : row.name), first: true },
      columnOf.count('number', 'number'), columnOf.bytes('asked for', 'bytes', data.total.bytes), columnOf.count('allocations', 'allocs'),
      columnOf.count('reallocations', 'reallocs'), columnOf.count('frees', 'frees'), columnOf.count('of blocks of others', 'others'),
    ],
  }), data.threads_left_out ? note(`${count(data.threads_left_out)} more threads are left out.`) : null));
});
