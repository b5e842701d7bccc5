/* What trees predict: no vectors, several rows abreast. Included by kernel.c. */

#define ABREAST 8 /* rows on their way through a tree together, so that they wait for memory together */

/* The node after `node` for a row; all indices have been checked. */
INLINE int64_t next_node(const Ensemble *e, int64_t first, int64_t node, const double *row) {
    const double x = row[e->slot[node]];
    const int left = __builtin_expect(e->rule[node], 0) ? in_set(e, node, x) : x <= e->threshold[node];
    return first + (left ? e->left : e->right)[node]; /* the choice of a pointer is no branch */
}

/* Adds the values of the leaves that some rows reach in one tree to `out` (rows, outputs). */
static void follow(const Ensemble *e, int64_t tree, const double *x, int64_t rows, double *out) {
    const int64_t first = e->offsets[tree], output = e->tree_output[tree];
    int64_t node[ABREAST];
    for (int64_t i = 0; i < rows; i++) node[i] = first;
    for (int moved = 1; moved;) { /* children are later nodes: it ends */
        moved = 0;
        for (int64_t i = 0; i < rows; i++)
            if (!is_leaf(e, node[i])) node[i] = next_node(e, first, node[i], x + i * e->slots), moved = 1;
    }
    for (int64_t i = 0; i < rows; i++) {
        const double *value = e->values + node[i] * e->values_a_leaf;
        if (output >= 0) out[i * e->outputs + output] += *value;
        else
            for (int64_t v = 0; v < e->outputs; v++) out[i * e->outputs + v] += value[v];
    }
}

/* All trees over rows x (rows, slots), one tree at a time so that it stays in the cache. */
static void forecast(const Ensemble *e, const double *x, int64_t rows, double *out) {
    for (int64_t tree = 0; tree < e->trees; tree++)
        for (int64_t row = 0; row < rows; row += ABREAST)
            follow(e, tree, x + row * e->slots, rows - row < ABREAST ? rows - row : ABREAST, out + row * e->outputs);
}
