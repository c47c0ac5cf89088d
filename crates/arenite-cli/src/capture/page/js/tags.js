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
      drawn('title', {}, `${row.name}: ${ranged(row.live, row.live_within)} live, ${ranged(row.peak, row.peak_within)} at its peak after ${seconds(row.peak_seconds)}, ${bytes(Math.max(0, row.committed))} committed${row.budget ? `, of a budget of ${bytes(row.budget.limit)}` : ''}`),
      drawn('text', { class: 'name', x: NAMES - 12, y: middle + 4.5, 'text-anchor': 'end' }, short(row.name)),
      drawn('rect', { class: 'track', x: NAMES, y: middle - 9, width: WIDTH - NAMES - FIGURES, height: 18, rx: 2 }),
      bar('held', row.peak_committed, middle, 18), bar('kept', row.committed, middle, 18), bar('live', row.live, middle, 8),
      row.budget && row.budget.limit <= list[list.length - 1] ? drawn('path', { class: 'budget mark', d: `M${x(row.budget.limit).toFixed(1)} ${middle - 13}v26` }) : null,
      row.peak > 0 ? drawn('path', { class: 'peak mark', d: `M${x(row.peak).toFixed(1)} ${middle - 11}v22` }) : null,
      drawn('text', { class: 'figure', x: WIDTH - 4, y: middle + 4.5, 'text-anchor': 'end' }, figures));
  };
  const legend = (kind, text) => element('li', {}, element('i', { class: `swatch ${kind}` }), text);
  section.append(card('Tags, with those below them', shown.length === 0
    ? element('p', { class: 'none' }, 'The recording tells of no tags.')
    : [chart('tags', WIDTH, height, 'Bars: live and committed bytes of each tag, and its peak', grid, shown.map(tag)),
      element('ul', { class: 'legend' }, legend('live', 'live'), memory ? [legend('kept', 'committed'), legend('held', 'most committed')] : null, legend('peak', 'peak of live'), rows.some((row) => row.budget) ? legend('budget', 'budget') : null)],
  rows.length > shown.length ? note(`${count(rows.length - shown.length)} more are in the table.`) : null));

  const roots = rows.filter((row) => !rows.some((other) => row.name.startsWith(`${other.name}/`)));
  const sum = (key) => roots.reduce((all, row) => all + row[key], 0);
  const [live, committed] = [sum('live'), sum('committed')];
  section.append(card('What no tag tells', element('ul', { class: 'facts', id: 'untold' },
    memory ? element('li', {}, `Tags have ${bytes(Math.max(0, committed))} of memory at the end; ${bytes(live)} of that is in live blocks that were recorded. The rest is memory of arenas and pools, free room in heaps, their bookkeeping, and blocks from before the recording.`)
      : element('li', {}, 'The recording does not tell how much memory heaps, arenas and pools have committed.'),
    data.before.blocks > 0 ? element('li', {}, `${bytes(data.before.bytes)} in ${counted(data.before.blocks, 'block', 'blocks')} lived before the recording began. Which of them live on is not known.`) : null,
    data.memory ? element('li', { id: 'untracked', 'data-figures': JSON.stringify(data.memory) }, `The process had ${bytes(data.memory.resident)} of the machine's memory at the end, and ${bytes(data.memory.peak_resident)} at most. Tags have ${bytes(data.memory.committed)}, so at least ${bytes(data.memory.untracked)} is no tag's: code and libraries, stacks of threads, and memory that was taken from the system without a tag.`)
      : element('li', {}, 'How much of the machine\'s memory the process had is not in this recording.'))));

  const limited = rows.filter((row) => row.budget).map((row) => ({ name: row.name, limit: row.budget.limit, hard: row.budget.hard, warning: row.budget.warning, has: Math.max(0, row.committed), most: row.peak_committed }));
  if (limited.length > 0) {
    section.append(card('Budgets', budgetBars(limited), table({
      name: 'budgets', rows: limited, piece: 40,
      columns: [
        { name: 'budget of', of: (row) => row.name, first: true }, columnOf.bytes('may have', 'limit'),
        { name: 'beyond it', of: (row) => (row.hard ? 'refused' : 'told') },
        { name: 'warns from', of: (row) => row.warning ?? -1, show: (value) => (value < 0 ? '–' : bytes(value)) },
        columnOf.bytes('has', 'has'), columnOf.bytes('at most', 'most'),
        { name: 'of it at most', of: (row) => row.most / Math.max(1, row.limit), show: (share) => `${(100 * share).toFixed(0)} %` },
      ],
    }), note('A budget is of committed memory, with that of the tags below; as it was set last.')));
  }

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

// A bar for each budget: the whole bar is what is allowed.
function budgetBars(rows) {
  const shown = rows.slice(0, 40);
  const [NAMES, FIGURES, ROW] = [230, 250, 30];
  const width = WIDTH - NAMES - FIGURES;
  const bar = (row, place) => {
    const middle = 14 + ROW * (place + 0.5);
    const share = (value) => Math.min(1, value / Math.max(1, row.limit));
    const state = row.most > row.limit ? 'over' : row.warning !== null && row.most >= row.warning ? 'near' : 'within';
    const part = (kind, value, thickness) => (value > 0 ? drawn('rect', {
      class: `${kind} mark`, x: NAMES, y: middle - thickness / 2, width: Math.max(1.5, width * share(value)).toFixed(1), height: thickness, rx: 2,
    }) : null);
    return drawn('g', { class: `limit ${state}` },
      drawn('title', {}, `${row.name}: ${bytes(row.has)} now and ${bytes(row.most)} at most, of ${bytes(row.limit)}`),
      drawn('text', { class: 'name', x: NAMES - 12, y: middle + 4.5, 'text-anchor': 'end' }, row.name.length > 30 ? `…${row.name.slice(-29)}` : row.name),
      drawn('rect', { class: 'track', x: NAMES, y: middle - 9, width, height: 18, rx: 2 }), part('held', row.most, 18), part('kept', row.has, 10),
      row.warning === null ? null : drawn('path', { class: 'budget mark', d: `M${(NAMES + width * share(row.warning)).toFixed(1)} ${middle - 11}v22` }),
      drawn('text', { class: 'figure', x: WIDTH - 4, y: middle + 4.5, 'text-anchor': 'end' }, `${bytes(row.most)} of ${bytes(row.limit)}${state === 'over' ? ': exceeded' : state === 'near' ? ': warned' : ''}`));
  };
  return chart('budgets', WIDTH, 14 + ROW * shown.length + 10, 'Bars: what each tag has of its budget, and had at most', shown.map(bar));
}
