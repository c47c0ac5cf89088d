// The timeline, and what happened in the column that was chosen.

view('frames', hasFrames ? 'Frames' : 'Time', 'What lived and what was asked for over time. Choose a column, or go through them with the arrow keys.', (section) => {
  let chosen = null;
  const choose = (row) => go(`frames/${row}`);
  const { charts, press } = timeline(choose, false);
  const field = element('input', { type: 'number', id: 'frame-number', min: 0, 'aria-label': 'Number of a frame' });
  const find = (event) => {
    event.preventDefault();
    const number = Number(field.value);
    const { start, number: numbers, frames, kind } = data.rows;
    const found = start.findIndex((_, row) => (kind[row] === 1 || kind[row] === 2) && numbers[row] <= number && number < numbers[row] + frames[row]);
    if (found >= 0) choose(found);
    else said.textContent = `There is no frame ${number} in this recording.`;
  };
  const said = element('span', { class: 'hint', 'aria-live': 'polite' });
  const step = (by) => choose(Math.min(last, Math.max(0, (chosen ?? (by > 0 ? -1 : last + 1)) + by)));
  const tools = element('form', { class: 'tools', submit: find },
    element('button', { type: 'button', id: 'row-before', click: () => step(-1) }, '← before'),
    element('button', { type: 'button', id: 'row-next', click: () => step(1) }, 'next →'),
    hasFrames ? [element('label', {}, 'frame ', field), element('button', { type: 'submit' }, 'Show')] : null, said);
  const many = hasFrames && data.frames.per_row > 1;
  const holder = element('div', { tabindex: 0, class: 'charts', 'aria-label': 'Timeline: arrow keys choose a column' }, charts);
  holder.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowLeft') step(-1);
    else if (event.key === 'ArrowRight') step(1);
    else return;
    event.preventDefault();
  });
  section.append(card('Over time', tools, holder,
    hasFrames ? note(many ? `There are ${count(data.frames.count)} frames; a column is ${data.frames.per_row} of them. The worst ones are shown singly below.` : 'A column is a frame; the first one is what happened before the first frame.')
      : note('The program tells no frames, so that the recording is cut into slices of equal time. What was made and freed in the same frame is not known.')));
  const detail = element('div', { id: 'row-detail' });
  section.append(detail);
  if (hasFrames && data.worst.start.length > 0) section.append(card('The worst frames', worstTable(16)));
  if (data.marks.length > 0) section.append(card('Marks', markTable()));

  // Row `12` of the timeline, or `w3` of the worst frames.
  return (rest) => {
    const worst = /^w\d+$/.test(rest || '');
    const rows = worst ? data.worst : data.rows;
    const row = worst ? Number(rest.slice(1)) : Number(rest);
    const there = Boolean(rest) && Number.isInteger(row) && row >= 0 && row < rows.start.length;
    said.textContent = '';
    chosen = there && !worst ? row : null;
    press(chosen);
    detail.replaceChildren(...(there ? rowDetail(rows, row) : [note('No column is chosen.')]));
  };
});

function rowDetail(rows, row) {
  const sites = [];
  const list = rows.sites[row];
  for (let at = 0; at < list.length; at += 5) {
    sites.push({ site: list[at], calls: list[at + 1], bytes: list[at + 2], temporaries: list[at + 3], temporary_bytes: list[at + 4] });
  }
  const [others, calls, asked, temporaries, temporaryBytes] = rows.others[row];
  const rest = others > 0 ? note(`${counted(others, 'other call stack', 'other call stacks')}: ${counted(calls, 'call', 'calls')}, ${bytes(asked)}; ${count(temporaries)} of their blocks (${bytes(temporaryBytes)}) freed in the same frame.`) : null;
  const asking = sites.filter((site) => site.calls > 0);
  const passing = sites.filter((site) => site.temporaries > 0);
  const head = [
    `from ${seconds(rows.start[row])}, for ${seconds(rows.end[row] - rows.start[row])}`,
    `${counted(rows.calls[row], 'call', 'calls')} for ${bytes(rows.bytes[row])}`, counted(rows.frees[row], 'free', 'frees'),
    `${bytes(rows.live[row])} live at its end, ${bytes(rows.peak[row])} at most`,
    rows.used[row] > 0 ? `${bytes(rows.used[row])} from frame and job arenas` : null,
  ];
  const cards = [card(`Call sites: ${rowName(rows, row)}`, element('p', { class: 'facts', id: 'row-figures' }, head.filter(Boolean).join(' · ')), table({
    name: 'row-sites', rows: asking, sorted: 1, empty: 'Nobody asked for memory.',
    columns: [columnOf.site(), columnOf.bytes('bytes', 'bytes', rows.bytes[row]), columnOf.count('calls', 'calls')],
  }), rest)];
  if (rows.kind[row] !== 3) {
    cards.push(card('Made and freed in the same frame', table({
      name: 'row-temporaries', rows: passing, sorted: 1, empty: 'Nothing was.',
      columns: [columnOf.site(), columnOf.bytes('bytes', 'temporary_bytes', rows.bytes[row]), columnOf.count('blocks', 'temporaries')],
    })));
  }
  return [element('div', { class: 'pair' }, cards)];
}

function markTable() {
  return element('div', {}, table({
    name: 'marks', rows: data.marks, piece: 40,
    columns: [
      { name: 'mark', of: (row) => row.text, first: true }, { name: 'after', of: (row) => row.seconds, show: seconds },
      { name: 'frame', of: (row) => row.frame ?? -1, show: (value) => (value < 0 ? '–' : count(value)) },
      columnOf.bytes('live', 'live'), columnOf.count('blocks', 'blocks'), columnOf.bytes('most since the mark before', 'peak'),
      columnOf.count('calls since then', 'calls'),
    ],
  }), data.marks_left_out ? note(`${count(data.marks_left_out)} more marks are left out.`) : null);
}
