// What the recording is, and what is worth a look first.

view('overview', 'Overview', 'What the recording came to, and where to look first.', (section) => {
  const { total, before, peak } = data;
  const figure = (title, value, remark) => element('div', { class: 'figure' },
    element('h3', {}, title), element('p', { class: 'value' }, value), element('p', {}, remark));
  const frame = peak.frame === null ? '' : `, in frame ${count(peak.frame)}`;
  const cards = [
    figure('Live at the end', ranged(total.live_bytes, total.live_within), `in ${counted(total.live_blocks, 'block', 'blocks')}`),
    figure('At the peak', ranged(total.peak_bytes, total.peak_within),
      `in ${counted(total.blocks_at_peak, 'block', 'blocks')}, after ${seconds(peak.seconds)}${frame}`),
    figure('Asked for', ranged(total.bytes, total.bytes_within), isSample
      ? `by ${rangedCount(total.allocs + total.reallocs, total.calls_within)} calls; ${count(total.frees)} frees`
      : `by ${count(total.allocs)} allocations and ${count(total.reallocs)} reallocations; ${count(total.frees)} frees`),
  ];
  if (hasFrames) {
    cards.push(figure('Made and freed in one frame', percent(total.temporaries, total.allocs + total.reallocs),
      `${counted(total.temporaries, 'block', 'blocks')} of ${ranged(total.temporary_bytes, total.temporary_within)}: what a frame arena would take`));
  }
  if (before.blocks > 0 || before.unknown_frees > 0) {
    cards.push(figure('Before the recording', bytes(before.bytes),
      `in ${counted(before.blocks, 'block', 'blocks')}, of which nothing else is known${before.unknown_frees ? `; ${counted(before.unknown_frees, 'free', 'frees')} of blocks that were never told` : ''}`));
  }
  if (data.memory) {
    cards.push(figure('In the machine\'s memory', bytes(data.memory.resident),
      `at most ${bytes(data.memory.peak_resident)}; tags have ${bytes(data.memory.committed)}, so at least ${bytes(data.memory.untracked)} is no tag's`));
  }
  section.append(element('div', { class: 'cards' }, cards));
  const { charts } = timeline((row) => go(`frames/${row}`), true);
  section.append(card('Over time', charts, note(`Click on a column to see what happened there.${data.marks.length ? ' Dashed lines are marks.' : ''}`)));

  const first = (key, blocks) => data.sites.node.map((_, site) => site)
    .filter((site) => data.sites[key][site] > 0)
    .sort((a, b) => data.sites[key][b] - data.sites[key][a]).slice(0, 5)
    .map((site) => ({ site, value: data.sites[key][site], blocks: data.sites[blocks][site], value_within: within(key, site) }));
  const list = (name, title, key, blocks, all, hint, address) => card(title, table({
    name, rows: first(key, blocks), empty: 'None.',
    columns: [columnOf.site(), columnOf.bytes('bytes', 'value', all), columnOf.count(key === 'bytes' ? 'calls' : 'blocks', 'blocks')],
  }), element('p', { class: 'hint' }, hint, ' ', element('a', { href: `#${address}` }, 'All of it.')));
  section.append(element('div', { class: 'pair' },
    list('first-peak', 'Most at the peak', 'peak', 'peak_blocks', total.peak_bytes, 'What lived when most bytes lived.', 'flame/peak'),
    list('first-live', 'Most at the end', 'live', 'live_blocks', total.live_bytes,
      'Never given back while it was recorded: leaks are among these.', 'moments'),
    list('first-churn', 'Most asked for', 'bytes', 'calls', total.bytes, 'Whether or not it was given back.', 'flame/bytes'),
    hasFrames ? list('first-temporary', 'Most made and freed in one frame', 'temporary_bytes', 'temporaries', total.temporary_bytes,
      'Work for a frame arena or a scratch stack.', 'flame/temporary') : null));
  if (hasFrames && data.worst.start.length > 0) section.append(card('The worst frames', worstTable(8), guess()));
});

// What a sample knows of single frames.
function guess() {
  return isSample ? note('A frame has few blocks of the sample: which frames were the worst is a guess.') : null;
}

// The frames that asked most often, or for most.
function worstTable(most) {
  const rows = data.worst;
  const list = rows.start.map((_, row) => ({
    row, number: rows.number[row], calls: rows.calls[row], asked: rows.bytes[row], temporaries: rows.temporaries[row],
    length: rows.end[row] - rows.start[row],
  }));
  return table({
    name: 'worst', rows: list, sorted: 1, piece: most,
    columns: [
      { name: 'frame', of: (row) => row.number, cell: (row) => element('td', {}, element('a', { href: `#frames/w${row.row}` }, `frame ${count(row.number)}`)) },
      columnOf.count('calls', 'calls'), columnOf.bytes('bytes', 'asked'),
      columnOf.count('freed in it again', 'temporaries'), { name: 'took', of: (row) => row.length, show: seconds },
    ],
  });
}
