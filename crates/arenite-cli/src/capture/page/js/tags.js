// Tags: live against committed and peak, and what no tag tells.

view('tags', 'Tags', 'What each tag has, with the tags below it.', (section) => {
  const rows = data.tags;
  const memory = rows.some((row) => row.peak_committed > 0);
  const most = largest(rows.map((row) => Math.max(row.peak, row.committed, row.peak_committed, row.before)));
  const shown = rows.slice(0, 40);
  const [NAMES, FIGURES, ROW] = [230, 250, 30];
  const list = ticks(most, true);
  const x = (value) => NAMES + (WIDTH - NAMES - FIGURES) * value / list[list.length - 1];
  const height = 14 + ROW * shown.length + 30;
  const short = (name) => (name.length > 30 ? `…${name.slice(-29)}` : name);
  const bar = (kind, value, middle, thickness) => (value > 0 ? drawn('rect', {
    class: `${kind} mark`, x: NAMES, y: middle - thickness / 2, width: Math.max(1.5, x(value) - NAMES).toFixed(1), height: thickness, rx: 2,
  }) : null);
  const grid = drawn('g', { class: 'axis' }, list.filter((_, place) => list.length < 5 || place % 2 === 0).map((value) => [
    drawn('path', { class: 'grid', d: `M${x(value).toFixed(1)} 14V${height - 30}` }),
    drawn('text', { x: x(value).toFixed(1), y: height - 10, 'text-anchor': 'middle' }, bytes(value)),
  ]));
  const tag = (row, place) => {
    const middle = 14 + ROW * (place + 0.5);
    const [now, most] = [bytes(Math.max(0, row.committed)), bytes(row.peak_committed)];
    let figures = memory ? `${bytes(row.live)} of ${now} · peak ${bytes(row.peak)}` : `${bytes(row.live)} · peak ${bytes(row.peak)}`;
    if (row.calls === 0) figures = `${now} committed · at most ${most}`;
    return drawn('g', { class: 'tag' },
      drawn('title', {}, `${row.name}: ${bytes(row.live)} live, ${bytes(row.peak)} at its peak after ${seconds(row.peak_seconds)}, ${bytes(Math.max(0, row.committed))} committed`),
      drawn('text', { class: 'name', x: NAMES - 12, y: middle + 4.5, 'text-anchor': 'end' }, short(row.name)),
      drawn('rect', { class: 'track', x: NAMES, y: middle - 9, width: WIDTH - NAMES - FIGURES, height: 18, rx: 2 }),
      bar('held', row.peak_committed, middle, 18), bar('kept', row.committed, middle, 18), bar('live', row.live, middle, 8),
      row.peak > 0 ? drawn('path', { class: 'peak mark', d: `M${x(row.peak).toFixed(1)} ${middle - 11}v22` }) : null,
      drawn('text', { class: 'figure', x: WIDTH - 4, y: middle + 4.5, 'text-anchor': 'end' }, figures));
  };
  const legend = (kind, text) => element('li', {}, element('i', { class: `swatch ${kind}` }), text);
  section.append(card('Tags, with those below them', shown.length === 0
    ? element('p', { class: 'none' }, 'The recording tells of no tags.')
    : [chart('tags', WIDTH, height, 'Bars: live and committed bytes of each tag, and its peak', grid, shown.map(tag)),
      element('ul', { class: 'legend' }, legend('live', 'live'), memory ? [legend('kept', 'committed'), legend('held', 'most committed')] : null, legend('peak', 'peak of live'))],
  rows.length > shown.length ? note(`${count(rows.length - shown.length)} more are in the table.`) : null));

  const roots = rows.filter((row) => !rows.some((other) => row.name.startsWith(`${other.name}/`)));
  const sum = (key) => roots.reduce((all, row) => all + row[key], 0);
  const [live, committed] = [sum('live'), sum('committed')];
  section.append(card('What no tag tells', element('ul', { class: 'facts', id: 'untold' },
    memory ? element('li', {}, `Tags have ${bytes(Math.max(0, committed))} of memory at the end; ${bytes(live)} of that is in live blocks that were recorded. The rest is memory of arenas and pools, free room in heaps, their bookkeeping, and blocks from before the recording.`)
      : element('li', {}, 'The recording does not tell how much memory heaps, arenas and pools have committed.'),
    data.before.blocks > 0 ? element('li', {}, `${bytes(data.before.bytes)} in ${counted(data.before.blocks, 'block', 'blocks')} lived before the recording began. Which of them live on is not known.`) : null,
    element('li', {}, 'What the process has beside that is not known here: its code and libraries, stacks of threads, and memory that was taken from the system without a tag. A recording does not ask the system for it.'),
    element('li', {}, 'Budgets are not part of a recording; arenite check judges one by limits that you give.'))));

  const own = rows.map((row) => ({ ...row, committed: Math.max(0, row.committed), peak_committed: Math.max(0, row.peak_committed) }));
  section.append(card('All figures', table({
    name: 'tags', rows: own, sorted: 2, piece: 60,
    columns: [
      { name: 'tag', of: (row) => row.name, first: true }, columnOf.bytes('live', 'live'), columnOf.bytes('peak', 'peak'),
      columnOf.count('blocks', 'blocks'), columnOf.bytes('asked for', 'bytes'), columnOf.count('calls', 'calls'),
      columnOf.count('freed in the same frame', 'temporaries'), columnOf.bytes('before', 'before'),
      ...(memory ? [columnOf.bytes('committed', 'committed'), columnOf.bytes('most committed', 'peak_committed')] : []),
    ],
  }), data.tags_left_out ? note(`${count(data.tags_left_out)} more tags are left out here; arenite report --json has all.`) : null));
});
