/* A tree compiled into the steps of its walk. Included by kernel.c. */

static const char NO_MEMORY[] = "no memory";

typedef struct {
    const int32_t *offsets, *left, *right, *feature, *slot, *set_start, *set_words, *tree_output;
    const uint8_t *rule;
    const uint32_t *sets;
    const double *threshold, *share, *values;
    const double *points; /* for each Q up to MOST_POINTS: MOST_POINTS nodes, then MOST_POINTS weights */
    int64_t nodes, trees, words, slots, features, outputs, values_a_leaf;
} Ensemble;

/* SPLIT, TURN, JOIN: before, between and after two subtrees. LEAN, LEAN_JOIN: the far side is a leaf. TIP: both are. */
typedef enum { SPLIT, TURN, JOIN, LEAN, LEAN_JOIN, TIP } Op;

typedef struct {
    double threshold, share; /* share: of the cover, on the near side */
    double if_left, if_right; /* h of the near side */
    double earlier_share;     /* c_e, 1 for a new feature */
    const double *near, *far; /* leaf values, where there are leaves */
    int32_t slot, feature, level, earlier; /* earlier: the level of the last edge on this feature, or -1 */
    int32_t again;            /* place of the factors of a repeated feature, or -1 */
    int32_t set_start, set_words;
    uint8_t op, rule;
    uint8_t keep; /* its G is a near side's, to be kept while the far side is walked */
} Step;

typedef struct {
    Step *step;
    double *again;     /* lift, slope and weight of a repeated split: see Factor in kernel_walk.h */
    int32_t *last;     /* a feature's last edge on the path, or -1 */
    double *edge;      /* the share accumulated over a feature, by level of edge */
    double *growth;    /* by level: see enough_points */
    int32_t *path;     /* node, phase and last edge by level */
    int64_t count, capacity, repeated, depth;
    const double *t, *w;
    const uint32_t *sets;
    int points, values;
} Program;

typedef struct {
    double *memory, *P, *G_near, *G, *hit, *edge_hit, *R, *X;
    int32_t *active; /* by level, the feature of the edge; -1 where a later edge is on the same feature */
    int64_t deepest;
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

static int is_leaf(const Ensemble *e, int64_t node) { return e->left[node] == LEAF; }

/* The depth of the deepest tree, in splits. `depth` has room for the nodes of the largest tree. */
static int64_t deepest(const Ensemble *e, int32_t *depth) {
    int64_t most = 0;
    for (int64_t tree = 0; tree < e->trees; tree++) {
        const int64_t first = e->offsets[tree], size = e->offsets[tree + 1] - first;
        memset(depth, 0, size * sizeof *depth);
        for (int64_t node = 0; node < size; node++) {
            if (is_leaf(e, first + node)) continue;
            const int32_t below = depth[node] + 1;
            int32_t *left = &depth[e->left[first + node]], *right = &depth[e->right[first + node]];
            if (*left < below) *left = below;
            if (*right < below) *right = below;
            if (below > most) most = below;
        }
    }
    return most;
}

static void dismantle(Program *p, Work *w) {
    free(p->step), free(p->again), free(p->last), free(p->edge), free(p->growth), free(p->path);
    free(w->memory), free(w->active);
}

static double *doubles(int64_t count) {
    void *memory = NULL;
    if (count > PTRDIFF_MAX / 16 || posix_memalign(&memory, ALIGN, (count + 8) * sizeof(double))) return NULL;
    return memory;
}

/* Room for the largest tree and for the walk over it. The caller dismantles, also after a fault. */
static const char *plan(const Ensemble *e, int pairs, Program *p, Work *w) {
    int64_t size = 1;
    for (int64_t tree = 0; tree < e->trees; tree++)
        if (e->offsets[tree + 1] - e->offsets[tree] > size) size = e->offsets[tree + 1] - e->offsets[tree];
    p->last = malloc((e->features > size ? e->features : size) * sizeof *p->last);
    if (!p->last) return NO_MEMORY;
    const int64_t depth = w->deepest = deepest(e, p->last), values = e->values_a_leaf;
    for (int64_t feature = 0; feature < e->features; feature++) p->last[feature] = -1;
    const int64_t distinct = depth < e->features ? depth : e->features;
    const int64_t points = distinct < 2 ? 1 : distinct / 2 + 1 < MOST_POINTS ? distinct / 2 + 1 : MOST_POINTS;
    p->capacity = size / 2 * 3 + 1;
    p->step = malloc(p->capacity * sizeof *p->step);
    p->again = doubles(3 * points * (size / 2 + 1));
    p->edge = doubles(depth + 1);
    p->growth = doubles((depth + 1) * 4);
    p->path = malloc((depth + 1) * 3 * sizeof *p->path);
    w->active = malloc((depth + 1) * sizeof *w->active);
    const int64_t at_point = points * LANES;
    w->memory = doubles((depth + 1) * (at_point * (1 + values + (pairs ? 1 : 0)) + 2 * LANES) +
                        at_point * values * (pairs ? 2 : 1));
    if (!p->step || !p->again || !p->edge || !p->growth || !p->path || !w->active || !w->memory) return NO_MEMORY;
    p->sets = e->sets;
    return NULL;
}

/* ---- how many quadrature nodes a tree needs -------------------------------------------------------------------- */

/* A product of n factors is exact with ceil(n / 2) nodes. Fewer do where the factors are tame: on the ellipse with
   foci 0 and 1 and parameter rho, |c + z (h - c)| <= c + Z (1 - c) =: growth, with Z = (2 + rho + 1 / rho) / 4, and
   the error is at most 32/15 rho^(-2Q) / (1 - rho^-2) times the product of growths (Trefethen, "Is Gauss quadrature
   better than Clenshaw-Curtis?", 2008, theorem 4.5). The product of all c is at least one row's share of the cover,
   which bounds the growths at any depth. */
#define RADII 4
static const double RADIUS[RADII] = {8, 16, 32, 64};
#define TOLERANCE 1e-11 /* of leaf values; two digits to spare */

static double reach(int i) { return (2 + RADIUS[i] + 1 / RADIUS[i]) / 4; }

static int enough_points(int distinct, const double *growth) {
    const int exact = distinct < 2 ? 1 : (distinct + 1) / 2;
    for (int points = 1; points < exact; points++)
        for (int i = 0; i < RADII; i++) {
            const double rho = RADIUS[i];
            if (growth[i] * 32 / 15 * pow(rho, -2 * points) / (1 - 1 / (rho * rho)) < TOLERANCE) return points;
        }
    return exact < MOST_POINTS ? exact : MOST_POINTS;
}

/* ---- compiling ------------------------------------------------------------------------------------------------- */

static Step *emit(Program *p, Op op, int32_t level) {
    if (p->count == p->capacity) return NULL; /* only where nodes have two parents */
    Step *step = &p->step[p->count++];
    step->op = op;
    step->level = level;
    return step;
}

/* The first step of the split `node` (counted from the first of all); its near side is the left, unless that is the
   only leaf. */
static Step *open_split(const Ensemble *e, Program *p, int64_t first, int64_t node, int32_t level,
                        int kept) {
    const int64_t left = first + e->left[node], right = first + e->right[node];
    const int leaves = is_leaf(e, left) + is_leaf(e, right), swap = leaves == 1 && is_leaf(e, left);
    Step *step = emit(p, leaves == 2 ? TIP : leaves ? LEAN : SPLIT, level);
    if (!step) return NULL;
    step->threshold = e->threshold[node];
    step->share = swap ? 1 - e->share[node] : e->share[node];
    step->if_left = !swap;
    step->if_right = swap;
    step->near = e->values + (swap ? right : left) * e->values_a_leaf;
    step->far = e->values + (swap ? left : right) * e->values_a_leaf;
    step->slot = e->slot[node];
    step->feature = e->feature[node];
    step->earlier = p->last[step->feature];
    step->earlier_share = step->earlier < 0 ? 1 : p->edge[step->earlier];
    step->again = step->earlier < 0 ? -1 : (int32_t)p->repeated++;
    step->rule = e->rule[node];
    step->set_start = e->set_start[node];
    step->set_words = e->set_words[node];
    step->keep = kept;
    return step;
}

/* Walks on along an edge of the split at `level`: accumulates its share and the growths below it. */
static void enter(Program *p, const Step *split, double share) {
    const int64_t level = split->level;
    const double before = split->earlier_share, after = before * share;
    p->edge[level + 1] = after;
    for (int i = 0; i < RADII; i++) {
        const double divisor = split->earlier < 0 ? 1 : before + reach(i) * (1 - before);
        p->growth[(level + 1) * RADII + i] =
            p->growth[level * RADII + i] / divisor * (after + reach(i) * (1 - after));
    }
}

static void repeated_factors(Program *p) {
    const int points = p->points;
    for (int64_t i = 0; i < p->count; i++) {
        const Step *step = &p->step[i];
        if (step->again < 0 || (step->op != SPLIT && step->op != LEAN && step->op != TIP)) continue;
        double *lift = p->again + 3 * (int64_t)points * step->again, *slope = lift + points, *weight = slope + points;
        const double before = step->earlier_share, after = before * step->share;
        for (int q = 0; q < points; q++) {
            const double inverse = 1 / (before + p->t[q] * (1 - before));
            lift[q] = after * (1 - p->t[q]) * inverse - step->share;
            slope[q] = p->t[q] * inverse;
            weight[q] = inverse * inverse;
        }
    }
}

/* Where each level's vectors lie in the memory of `work`, and the weights that arrive at the root. */
static void prepare(const Program *p, Work *w) {
    const int64_t at_point = (int64_t)p->points * LANES, levels = w->deepest + 1;
    w->P = w->memory;
    w->hit = w->P + levels * at_point;
    w->edge_hit = w->hit + levels * LANES;
    w->G = w->edge_hit + levels * LANES;
    w->G_near = w->G + at_point * p->values;
    w->R = w->G_near + levels * at_point * p->values;
    w->X = w->R + levels * at_point;
    for (int64_t q = 0; q < p->points; q++)
        for (int i = 0; i < LANES; i++) w->P[q * LANES + i] = p->w[q];
}

INLINE double in_set(const Step *s, const uint32_t *sets, double x) {
    if (x != x) return s->if_right;
    if (x == -INFINITY) return s->if_left; /* how columns.py writes a missing value that goes left */
    int member = 0;
    if (x > -1 && x < (double)s->set_words * 32) {
        const int64_t whole = (int64_t)x;
        member = sets[s->set_start + whole / 32] >> (whole % 32) & 1;
    }
    return member == (s->rule == 1) ? s->if_left : s->if_right;
}

/* Steps of one tree, into `program`. NULL or what is wrong. */
static const char *compile(const Ensemble *e, int64_t tree, Program *p) {
    enum { OPENING, TURNING, CLOSING };
    const int64_t first = e->offsets[tree];
    int32_t *node = p->path, *phase = node + 1, *split = node + 2; /* three numbers a level */
    double most[RADII] = {1, 1, 1, 1};
    int distinct = 0, most_distinct = 0, level = 0;
    p->count = p->repeated = 0;
    p->values = e->tree_output[tree] < 0 ? (int)e->values_a_leaf : 1;
    for (int i = 0; i < RADII; i++) p->growth[i] = 1;
    if (is_leaf(e, first)) return NULL;
    node[0] = 0, phase[0] = OPENING;
    while (level >= 0) {
        const int64_t at = first + node[3 * level];
        const int kept = level && phase[3 * level - 3] == TURNING;
        Step *open = phase[3 * level] == OPENING ? open_split(e, p, first, at, level, kept) : &p->step[split[3 * level]];
        if (!open) return "a node has two parents";
        int32_t next = LEAF;
        if (phase[3 * level] == OPENING) {
            split[3 * level] = (int32_t)(open - p->step);
            distinct += open->earlier < 0;
            if (distinct > most_distinct) most_distinct = distinct;
            p->last[open->feature] = level + 1;
            for (int side = 0; side < 2; side++) {
                enter(p, open, side ? open->share : 1 - open->share);
                for (int i = 0; i < RADII; i++)
                    most[i] = fmax(most[i], p->growth[(level + 1) * RADII + i]);
            }
            phase[3 * level] = open->op == SPLIT ? TURNING : CLOSING;
            if (open->op != TIP) next = open->if_left == 1 ? e->left[at] : e->right[at];
        } else if (phase[3 * level] == TURNING) {
            if (!emit(p, TURN, level)) return "a node has two parents";
            open = &p->step[split[3 * level]];
            Step *turn = &p->step[p->count - 1];
            *turn = *open;
            turn->op = TURN;
            enter(p, open, 1 - open->share);
            phase[3 * level] = CLOSING;
            next = e->right[at];
        } else {
            if (open->op != TIP) {
                Step *join = emit(p, open->op == SPLIT ? JOIN : LEAN_JOIN, level);
                if (!join) return "a node has two parents";
                const uint8_t op = join->op;
                *join = *open;
                join->op = op;
            }
            distinct -= open->earlier < 0;
            p->last[open->feature] = open->earlier;
            level--;
            continue;
        }
        if (next != LEAF) {
            level++;
            node[3 * level] = next, phase[3 * level] = OPENING;
        }
    }
    p->points = enough_points(most_distinct, most);
    p->t = e->points + (int64_t)p->points * 2 * MOST_POINTS;
    p->w = p->t + MOST_POINTS;
    repeated_factors(p);
    return NULL;
}
