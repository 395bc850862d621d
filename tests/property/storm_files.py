"""What is said of files that travel: fetches, packing, delivery, the store; and how far each is, as odd as can be."""

from __future__ import annotations

from hypothesis import strategies as st
from storm_orders import ROOT
from storm_words import MOST, counts, few, jobs, leases, nodes, one_of, pick, texts

from peerfarm.model.files import FetchEnded, FetchProgressed, Packed, PackProgressed, StoreTold
from peerfarm.model.ids import attempt_label
from peerfarm.model.render import PublishResult

labels = leases.map(attempt_label) | texts(20)
requests = st.integers(0, 9).map(str)
rates = pick([0.0, 0.1, 5e6, 1e300])
keys = one_of(
    [
        jobs.map(lambda job: f"scene/{job}"),
        st.builds(lambda kind, job, label: f"{kind}/{job}/{label}", pick(["keep", "result", "again"]), jobs, labels),
        pick(["", "keep", "scene/", "fetch/1", "x/y/z"]),
    ]
)
errors = pick(["", "it cannot be", "no room on the disk", "x" * 3000, "\U0001d11e" * 500])
faults = pick(["it cannot be", "nobody holds it", "no room on the disk", "\U0001d11e" * 500, "\udcff" + "x" * 3000])
lacking = few(nodes, 4)
fetch_progress = st.builds(FetchProgressed, keys, counts(MOST), counts(MOST), rates)
fetch_failures = st.builds(FetchEnded, keys, faults, lacking, *[st.booleans()] * 4)
fetch_ends = one_of([st.builds(FetchEnded, keys), fetch_failures])
pack_progress = st.builds(
    PackProgressed, requests, texts(200), counts(MOST), counts(MOST), counts(), counts(MOST), rates
)
packs = one_of(
    [
        st.builds(Packed, requests, pick([ROOT, ROOT, None]), few(texts(300)), files=counts(), size_bytes=counts(MOST)),
        st.builds(Packed, requests, st.none(), st.just(()), faults, texts(99)),
    ]
)
deliveries = st.builds(
    PublishResult, labels, jobs, st.just(0), st.just(0), errors, st.booleans(), lacking, st.booleans()
)
said_of_orders = one_of([fetch_progress, fetch_progress, fetch_ends, pack_progress, packs, deliveries, deliveries])
stray_files = one_of(
    [
        fetch_progress,
        pack_progress,
        packs,
        st.builds(FetchEnded, keys, errors, lacking, *[st.booleans()] * 4),
        st.builds(StoreTold, counts(MOST), counts(MOST), counts(MOST)),
    ]
)
