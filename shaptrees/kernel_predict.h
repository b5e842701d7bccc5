/* What trees predict: no vectors, several rows abreast. Included by kernel.c. */

#define ABREAST 8 /* rows on their way through a tree together, so that they wait for memory together */

/* The node after `node` for a row; all indices have been checked. */
INLINE int64_t next_node(const Ensemble *e, int64_t first, int64_t node, const double *row) {
    const double x = row[e->slot[node]];
    const int left = __builtin_expect(e->rule[node], 0) ? in_set(e, node, x) : x <= e->threshold[node];
    return first + (left ? e->left : e->right)[node]; /* the choice of a pointer is no branch */
}

/* Adds the values of the leaves that some rows have come to, counted from the first of all, to `out` (rows, outputs). */
INLINE void add_leaves(const Ensemble *e, int64_t output, const int64_t *node, int64_t rows, double *out) {
    for (int64_t i = 0; i < rows; i++) {
        const double *value = e->values + node[i] * e->values_a_leaf;
        if (output >= 0) out[i * e->outputs + output] += *value;
        else
            for (int64_t v = 0; v < e->outputs; v++) out[i * e->outputs + v] += value[v];
    }
}

/* Some rows down one tree of any kind. */
static void follow(const Ensemble *e, int64_t tree, const double *x, int64_t rows, double *out) {
    const int64_t first = e->offsets[tree];
    int64_t node[ABREAST];
    for (int64_t i = 0; i < rows; i++) node[i] = first;
    for (int moved = 1; moved;) { /* children are later nodes: it ends */
        moved = 0;
        for (int64_t i = 0; i < rows; i++)
            if (!is_leaf(e, node[i])) node[i] = next_node(e, first, node[i], x + i * e->slots), moved = 1;
    }
    add_leaves(e, e->tree_output[tree], node, rows, out);
}

/* A node with all that a row needs of it beside each other; a leaf is its own child. */
typedef struct {
    double threshold;
    int32_t slot, child[2], level; /* child: where x <= threshold is false, and where it is true */
} Hop;

#define MOST_HOPS (1 << 16) /* 1.5 MB */
#define FEW_ROWS 16         /* below which packing takes longer than it saves */
#define STRIDE 4            /* levels between two looks whether all rows have come to a leaf */

/* The nodes of a tree as hops, where they are few and none looks at categories. The levels below its root, or -1. */
static int64_t pack(const Ensemble *e, int64_t tree, Hop *hop) {
    const int64_t first = e->offsets[tree], size = e->offsets[tree + 1] - first;
    int32_t deepest = 0;
    if (!hop || size > MOST_HOPS) return -1;
    for (int64_t i = 0; i < size; i++) hop[i].level = 0;
    for (int64_t i = 0; i < size; i++) {
        const int64_t node = first + i;
        if (is_leaf(e, node)) {
            hop[i].threshold = 0, hop[i].slot = 0, hop[i].child[0] = hop[i].child[1] = (int32_t)i;
            continue;
        }
        if (e->rule[node]) return -1;
        const int32_t below = hop[i].level + 1;
        hop[i].threshold = e->threshold[node], hop[i].slot = e->slot[node];
        hop[i].child[0] = e->right[node], hop[i].child[1] = e->left[node];
        for (int side = 0; side < 2; side++)
            if (hop[hop[i].child[side]].level < below) hop[hop[i].child[side]].level = below;
        if (below > deepest) deepest = below;
    }
    return deepest;
}

/* Some rows down a packed tree: as many steps for each, so that no branch has to be foreseen. */
INLINE void hop_down(const Ensemble *e, int64_t tree, const Hop *hop, int64_t levels, const double *x, int64_t rows,
                     double *out) {
    int64_t node[ABREAST] = {0};
    for (int64_t level = 0; level < levels; level += STRIDE) {
        for (int64_t step = 0; step < STRIDE; step++)
            for (int64_t i = 0; i < rows; i++) {
                const Hop *at = hop + node[i];
                node[i] = at->child[x[i * e->slots + at->slot] <= at->threshold];
            }
        int moving = 0;
        for (int64_t i = 0; i < rows; i++) moving |= hop[node[i]].child[0] != node[i];
        if (!moving) break;
    }
    for (int64_t i = 0; i < rows; i++) node[i] += e->offsets[tree];
    add_leaves(e, e->tree_output[tree], node, rows, out);
}

/* All trees over rows x (rows, slots), one tree at a time so that it stays in the cache. */
static void forecast(const Ensemble *e, const double *x, int64_t rows, double *out) {
    int64_t most = 1;
    for (int64_t tree = 0; tree < e->trees; tree++) {
        const int64_t size = e->offsets[tree + 1] - e->offsets[tree];
        if (size <= MOST_HOPS && size > most) most = size;
    }
    Hop *hop = rows < FEW_ROWS ? NULL : malloc(most * sizeof *hop); /* without, it goes more slowly */
    for (int64_t tree = 0; tree < e->trees; tree++) {
        const int64_t levels = pack(e, tree, hop);
        for (int64_t row = 0; row < rows; row += ABREAST) {
            const double *from = x + row * e->slots;
            double *into = out + row * e->outputs;
            const int64_t count = rows - row < ABREAST ? rows - row : ABREAST;
            if (levels < 0) follow(e, tree, from, count, into);
            else if (count == ABREAST) hop_down(e, tree, hop, levels, from, ABREAST, into);
            else hop_down(e, tree, hop, levels, from, count, into);
        }
    }
    free(hop);
}
