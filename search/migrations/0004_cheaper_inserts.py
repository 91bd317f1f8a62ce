"""A row's way into the index of vectors took 3.2 ms of CPU at 30,000 rows, nearly all that indexing costs; with shorter
lists of candidates it takes 2.0 ms. What a search finds of the exact answer stays (`python -m bench search`).

Builds the index again, half a millisecond for each row that is there; nothing is indexed meanwhile.
"""

from django.db import migrations

INDEX = """
DROP INDEX idx_search_chunks_embedding;
CREATE INDEX idx_search_chunks_embedding ON search_chunks USING hnsw (embedding halfvec_cosine_ops)
    WITH (m = 16, ef_construction = {});
"""


class Migration(migrations.Migration):

    dependencies = [("search", "0003_query")]

    operations = [migrations.RunSQL(INDEX.format(40), INDEX.format(64))]
