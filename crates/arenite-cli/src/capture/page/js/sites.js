// All call sites, to be searched and sorted.

view('sites', 'Call sites', 'Every call stack with its figures. Search for functions, files or tags.', (section) => {
  const { live, live_blocks: liveBlocks, peak, bytes: asked, calls, temporaries } = data.sites;
  const all = data.sites.node.map((_, site) => ({
    site, live: live[site], blocks: liveBlocks[site], peak: peak[site], bytes: asked[site], calls: calls[site],
    temporaries: temporaries[site], tag: siteTag(site),
    live_within: within('live', site), peak_within: within('peak', site), bytes_within: within('bytes', site),
  })).filter((row) => row.calls > 0);
  const list = table({
    name: 'sites', rows: all, sorted: 1, piece: 50, empty: 'No call site has this in its stack.',
    columns: [
      columnOf.site(), columnOf.bytes('live', 'live', data.total.live_bytes), columnOf.count('blocks', 'blocks'),
      columnOf.bytes('at the peak', 'peak', data.total.peak_bytes), columnOf.bytes('asked for', 'bytes', data.total.bytes),
      columnOf.count('calls', 'calls'), ...(hasFrames ? [columnOf.count('freed in the same frame', 'temporaries')] : []), columnOf.text('tag', 'tag'),
    ],
  });
  const said = element('span', { class: 'hint', id: 'sites-found', 'aria-live': 'polite' });
  const tell = (rows) => {
    const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
    said.textContent = `${counted(rows.length, 'call site', 'call sites')}: ${bytes(sum('live'))} live, ${bytes(sum('bytes'))} asked for by ${counted(sum('calls'), 'call', 'calls')}`;
  };
  const search = element('input', {
    type: 'search', id: 'site-search', placeholder: 'function, file or tag', 'aria-label': 'Search call sites',
    input: () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const rows = all.filter((row) => words.every((word) => siteText(row.site).includes(word)));
      list.update(rows);
      tell(rows);
    },
  });
  tell(all);
  section.append(card('Call sites', element('div', { class: 'tools' }, search, said), list,
    note(data.sites_merged ? `${count(data.sites_merged)} of ${count(data.stacks)} call stacks did little each and share a row.` : 'Call stacks that read alike share a row.')));
});
