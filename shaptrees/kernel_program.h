/* A tree compiled into the steps of its walk. Included by kernel.c. */

static const char NO_MEMORY[] = "no memory";

typedef struct {
    const int32_t *offsets, *left, *right, *feature, *slot, *set_start, *set_words, *tree_output;
    const uint8_t *rule;
    const uint32_t *sets;
    const double *threshold, *share, *cover, *values;
    const double *points; /* for each Q up to MOST_POINTS: MOST_POINTS nodes, then MOST_POINTS weights */
    const int32_t *pair_start, *pair_other; /* pairs that meet, by their lower feature; NULL where values are wanted */
    int64_t nodes, trees, words, slots, features, outputs, values_a_leaf, pairs;
} Ensemble;

#define RADII 4
static const double RADIUS[RADII] = {4, 8, 16, 32};
#define TOLERANCE 1e-12 /* of leaf values; three digits to spare */
#define STEEP 1e-6      /* a share that is smaller is not found as one minus the other */

/* SPLIT, TURN, JOIN: before, between and after two subtrees. LEAN: before a single one; the far side is a leaf, then
   LEAN_JOIN comes after it, or a tip, then TIP_JOIN. A tip is a split above two leaves: without a parent or unfused it is
   a step of its own, TIP; else its parent's steps do its work too. FORK: above two tips. TWIG: above a tip and a leaf. */
typedef enum { SPLIT, TURN, JOIN, LEAN, LEAN_JOIN, TIP_JOIN, TIP, FORK, TWIG } Op;
enum { A_LEAF, A_TIP, A_SUBTREE };

typedef union {
    double value;         /* of a leaf, where leaves have one value */
    const double *values; /* or where they have several */
} Worth;

typedef struct {
    double threshold, share; /* share: of the cover, on the near side */
    double earlier_share;    /* c_e, 1 for a new feature */
    Worth near, far;         /* where there are leaves */
    int32_t slot, feature, level, earlier; /* earlier: the level of the last edge on this feature, or -1 */
    int32_t node;            /* counted from the first of all trees */
    uint8_t rule, swapped;   /* swapped: the near side is the right one */
    uint8_t keep; /* its G is a near side's, to be kept while the far side is walked */
} Split;

typedef struct {
    int32_t split;
    Op op;
} Step;

typedef struct {
    const Ensemble *e;
    Split *split;      /* 64 bytes each; tips that their parent does come right after it, the near one first */
    Step *step;
    int32_t *last;     /* a feature's last edge on the path, or -1 */
    double *edge;      /* the share accumulated over a feature, by level of edge */
    double *growth;    /* by level: see enough_points */
    int32_t *path;     /* node, phase and split by level */
    int32_t *cell;     /* for pairs: of each split with the edge of each level above; -1 where a later edge has its feature */
    int64_t *first_cell; /* by split */
    int64_t splits, count, cells, most_splits, capacity, most_cells;
    int64_t first;      /* the first node of the tree at hand */
    const double *t, *w;
    double most[RADII]; /* the largest growths of the tree at hand: see enough_points */
    int distinct, most_distinct, points, values, fused, steep;
} Program;

typedef struct {
    double *memory, *P, *G_near, *G, *hit, *edge_hit, *R, *X;
    double *rest;          /* by level, one minus the share accumulated over the edge's feature; for pairs */
    double factors[3][3][MOST_POINTS]; /* lift, slope and weight of up to three splits: see Factor in kernel_walk.h */
    int64_t deepest, rows; /* rows: of the block at hand */
} Work;

/* Every index, before any is used. NULL or what is wrong. */
static const char *check(const Ensemble *e) {
    if (e->offsets[0] != 0 || e->offsets[e->trees] != e->nodes) return "the trees' first nodes are not in order";
    for (int64_t tree = 0; tree < e->trees; tree++) {
        const int64_t first = e->offsets[tree], size = (int64_t)e->offsets[tree + 1] - first;
        if (first < 0 || size < 1 || first + size > e->nodes) return "the trees' first nodes are not in order";
        const int32_t output = e->tree_output[tree];
        if (output < -1 || output >= e->outputs) return "a tree adds to an output that does not exist";
        if (output == -1 && e->values_a_leaf != e->outputs) return "leaves do not have a value for every output";
        for (int64_t node = 0; node < size; node++) {
            const int64_t i = first + node;
            const int32_t left = e->left[i], right = e->right[i];
            if (left == LEAF && right == LEAF) continue;
            if (left <= node || right <= node || left >= size || right >= size || left == right)
                return "a child is not a later node of its tree";
            if (e->feature[i] < 0 || e->feature[i] >= e->features) return "a split is on an unknown feature";
            if (e->slot[i] < 0 || e->slot[i] >= e->slots) return "a split is on an unknown column";
            if (!(e->share[i] >= 0 && e->share[i] <= 1)) return "a share is not between 0 and 1";
            if (e->rule[i] > 2) return "a split has an unknown rule";
            if (e->rule[i] && (e->set_start[i] < 0 || e->set_words[i] < 0 || e->set_words[i] > INT32_MAX / 32 ||
                               (int64_t)e->set_start[i] + e->set_words[i] > e->words))
                return "a set of categories lies outside of the sets";
        }
    }
    return NULL;
}

/* The share of a split's cover that went right; the left one's complement has too few digits where it is small. */
static double right_share(const Ensemble *e, int64_t node, int64_t left, int64_t right) {
    const double complement = 1 - e->share[node];
    if (complement > 1e-3) return complement;
    const double both = e->cover[left] + e->cover[right];
    if (!(both > 0)) return complement;
    const double share = e->cover[right] / both;
    return share >= 0 && share <= 1 ? share : complement;
}

static int is_leaf(const Ensemble *e, int64_t node) { return e->left[node] == LEAF; }

/* The depth of the deepest tree, in splits, and if wanted how many splits the splits of a tree have above, at most. `depth` has room for the nodes of
   the largest tree. */
static int64_t deepest(const Ensemble *e, int32_t *depth, int64_t *most_above) {
    int64_t most = 0;
    if (most_above) *most_above = 0;
    for (int64_t tree = 0; tree < e->trees; tree++) {
        const int64_t first = e->offsets[tree], size = e->offsets[tree + 1] - first;
        int64_t above = 0;
        memset(depth, 0, size * sizeof *depth);
        for (int64_t node = 0; node < size; node++) {
            if (is_leaf(e, first + node)) continue;
            const int32_t below = depth[node] + 1;
            above += depth[node];
            int32_t *left = &depth[e->left[first + node]], *right = &depth[e->right[first + node]];
            if (*left < below) *left = below;
            if (*right < below) *right = below;
            if (below > most) most = below;
        }
        if (most_above && above > *most_above) *most_above = above;
    }
    return most;
}

static void dismantle(Program *p, Work *w) {
    free(p->split), free(p->step), free(p->last), free(p->edge), free(p->growth), free(p->path);
    free(p->cell), free(p->first_cell), free(w->memory), free(w->rest);
}

static double *doubles(int64_t count) {
    void *memory = NULL;
    if (count > PTRDIFF_MAX / 16 || posix_memalign(&memory, ALIGN, (count + 8) * sizeof(double))) return NULL;
    return memory;
}

/* Room for the largest tree and for the walk over it. The caller dismantles, also after a fault. */
static const char *plan(const Ensemble *e, Program *p, Work *w) {
    const int pairs = e->pair_start != NULL;
    int64_t size = 1;
    for (int64_t tree = 0; tree < e->trees; tree++)
        if (e->offsets[tree + 1] - e->offsets[tree] > size) size = e->offsets[tree + 1] - e->offsets[tree];
    p->last = malloc((e->features > size ? e->features : size) * sizeof *p->last);
    if (!p->last) return NO_MEMORY;
    const int64_t depth = w->deepest = deepest(e, p->last, &p->most_cells), values = e->values_a_leaf;
    p->e = e;
    for (int64_t feature = 0; feature < e->features; feature++) p->last[feature] = -1;
    const int64_t distinct = depth < e->features ? depth : e->features;
    const int64_t points = distinct < 2 ? 1 : distinct / 2 + 1 < MOST_POINTS ? distinct / 2 + 1 : MOST_POINTS;
    p->most_splits = size / 2 + 1;
    p->capacity = 3 * p->most_splits;
    p->split = (Split *)doubles(p->most_splits * (sizeof *p->split / 8));
    p->step = malloc(p->capacity * sizeof *p->step);
    p->edge = doubles(depth + 1);
    p->growth = doubles((depth + 1) * RADII);
    p->path = malloc((depth + 1) * 3 * sizeof *p->path);
    p->cell = malloc(((pairs ? p->most_cells : 0) + 1) * sizeof *p->cell);
    p->first_cell = malloc((pairs ? p->most_splits : 1) * sizeof *p->first_cell);
    w->rest = doubles(depth + 1);
    const int64_t at_point = points * LANES;
    w->memory = doubles((depth + 1) * (at_point * (1 + values + (pairs ? 1 : 0)) + 2 * LANES) +
                        at_point * values * (pairs ? 2 : 1));
    if (!p->split || !p->step || !p->edge || !p->growth || !p->path || !p->cell || !p->first_cell || !w->rest ||
        !w->memory)
        return NO_MEMORY;
    return NULL;
}

/* ---- how many quadrature nodes a tree needs -------------------------------------------------------------------- */

/* A product of n factors is exact with ceil(n / 2) nodes. Fewer do where the factors are tame: the error of Q nodes on
   [0, 1] is (Q!)^4 / ((2Q + 1) (2Q)!^2) times a Taylor coefficient f^(2Q)(x) / (2Q)! (Abramowitz and Stegun, 25.4.30).
   Around any x of [0, 1], that of a product is at most the coefficient of y^(2Q) in the product of 1 + (1 - c) y, for
   factors with h = 1, and c (1 + y), for those with h = 0; and so, for any radius r, at most r^(-2Q) times the product of
   growths, each the larger of both at y = r. A row that misses what nearly all others follow makes them grow most. */
static double growth_of(double share, double radius) {
    const double followed = 1 + (1 - share) * radius, missed = share * (1 + radius);
    return followed > missed ? followed : missed;
}

static int enough_points(int distinct, const double *growth) {
    const int exact = distinct < 2 ? 1 : (distinct + 1) / 2;
    for (int points = 1; points < exact; points++) {
        const double of_nodes = exp(4 * lgamma(points + 1) - 2 * lgamma(2 * points + 1)) / (2 * points + 1);
        for (int i = 0; i < RADII; i++)
            if (growth[i] * of_nodes * pow(RADIUS[i], -2 * points) < TOLERANCE)
                return points < MOST_POINTS ? points : MOST_POINTS;
    }
    return exact < MOST_POINTS ? exact : MOST_POINTS;
}

