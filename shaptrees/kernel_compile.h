/* One tree, from its arrays into splits and steps. Included by kernel.c. */

static int emit(Program *p, Op op, int64_t split) {
    if (p->count == p->capacity) return 0;
    p->step[p->count++] = (Step){.split = (int32_t)split, .op = op};
    return 1;
}

/* What is below a split on one side; without fusing, a tip is a subtree like others. */
static int kind_of(const Program *p, int64_t first, int64_t node) {
    const Ensemble *e = p->e;
    if (is_leaf(e, node)) return A_LEAF;
    const int tip = is_leaf(e, first + e->left[node]) && is_leaf(e, first + e->right[node]);
    return tip && p->fused ? A_TIP : A_SUBTREE;
}

static Worth worth_of(const Program *p, int64_t node) {
    const double *values = p->e->values + node * p->e->values_a_leaf;
    return p->values == 1 ? (Worth){.value = *values} : (Worth){.values = values};
}

/* Adds the split `node` (counted from the first of all). Its near side is the one with more below it. */
static Split *add_split(Program *p, int64_t first, int64_t node, int32_t level) {
    if (p->splits == p->most_splits) return NULL; /* only where nodes have two parents */
    const Ensemble *e = p->e;
    const int64_t left = first + e->left[node], right = first + e->right[node];
    const int swapped = kind_of(p, first, right) > kind_of(p, first, left);
    const int32_t earlier = p->last[e->feature[node]];
    Split *split = &p->split[p->splits++];
    *split = (Split){
        .threshold = e->threshold[node], .share = swapped ? right_share(e, node, left, right) : e->share[node],
        .earlier_share = earlier < 0 ? 1 : p->edge[earlier], .near = worth_of(p, swapped ? right : left),
        .far = worth_of(p, swapped ? left : right), .slot = e->slot[node], .feature = e->feature[node],
        .level = level, .earlier = earlier, .node = (int32_t)node, .rule = e->rule[node], .swapped = (uint8_t)swapped,
    };
    p->distinct += earlier < 0;
    if (p->distinct > p->most_distinct) p->most_distinct = p->distinct;
    p->last[split->feature] = level + 1;
    return split;
}

/* Takes a split off the path again. */
static void leave(Program *p, const Split *split) {
    p->distinct -= split->earlier < 0;
    p->last[split->feature] = split->earlier;
}

static int64_t child_of(const Program *p, const Split *split, int64_t first, int far) {
    return first + (split->swapped == far ? p->e->left : p->e->right)[split->node];
}

/* The share of the cover on a split's far side. */
static double far_share(const Program *p, const Split *split) {
    const Ensemble *e = p->e;
    if (split->swapped) return e->share[split->node];
    return right_share(e, split->node, p->first + e->left[split->node], p->first + e->right[split->node]);
}

/* Walks on along an edge of a split: accumulates its share and the growths below it. */
static void enter(Program *p, const Split *split, int far) {
    const int64_t level = split->level;
    const double before = split->earlier_share;
    const double after = before * (far ? far_share(p, split) : split->share);
    p->steep |= after < STEEP && after > 0;
    p->edge[level + 1] = after;
    const double *above = p->growth + level * RADII;
    double *growth = p->growth + (level + 1) * RADII;
    for (int i = 0; i < RADII; i++) growth[i] = above[i] * growth_of(after, RADIUS[i]);
    if (split->earlier >= 0)
        for (int i = 0; i < RADII; i++) growth[i] /= growth_of(before, RADIUS[i]);
    for (int i = 0; i < RADII; i++) p->most[i] = growth[i] > p->most[i] ? growth[i] : p->most[i];
}

/* Enters one side of a split; where a fused tip is there, adds that too. */
static int enter_and_add_tip(Program *p, const Split *split, int64_t first, int far) {
    enter(p, split, far);
    const int64_t child = child_of(p, split, first, far);
    if (kind_of(p, first, child) != A_TIP) return 1;
    const Split *tip = add_split(p, first, child, split->level + 1);
    if (!tip) return 0;
    enter(p, tip, 0), enter(p, tip, 1);
    leave(p, tip);
    return 1;
}

/* Adds a split and its first step. The near side, if it is a subtree, is entered last. 0 where there is no room. */
static int open_split(Program *p, int64_t first, int64_t node, int32_t level, int kept) {
    Split *split = add_split(p, first, node, level);
    if (!split) return 0;
    split->keep = (uint8_t)kept;
    const int64_t place = split - p->split;
    const int near = kind_of(p, first, child_of(p, split, first, 0)), far = kind_of(p, first, child_of(p, split, first, 1));
    const int far_first = near == A_SUBTREE;
    if (!enter_and_add_tip(p, split, first, far_first) || !enter_and_add_tip(p, split, first, !far_first)) return 0;
    if (near == A_SUBTREE) return emit(p, far == A_SUBTREE ? SPLIT : LEAN, place);
    return emit(p, near == A_LEAF ? TIP : far == A_TIP ? FORK : TWIG, place);
}

/* Where the pair of two features adds up: after the values of all features; -1 for one that is not among the pairs. */
static int64_t cell_of(const Ensemble *e, int32_t a, int32_t b) {
    const int32_t lower = a < b ? a : b, upper = a < b ? b : a;
    int64_t low = e->pair_start[lower], high = e->pair_start[lower + 1];
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (e->pair_other[middle] < upper) low = middle + 1;
        else high = middle;
    }
    return low < e->pair_start[lower + 1] && e->pair_other[low] == upper ? e->features + low : -1;
}

/* Notes the cells of a split that was just opened, with the feature of each edge above that no later edge has. */
static const char *add_cells(Program *p, int64_t place, const int32_t *splits) {
    const Split *split = &p->split[place];
    if (p->cells + split->level > p->most_cells) return "a node has two parents";
    p->first_cell[place] = p->cells;
    for (int32_t level = 1; level <= split->level; level++) {
        const int32_t other = p->split[splits[3 * (level - 1)]].feature;
        int64_t cell = -1;
        if (p->last[other] == level && (cell = cell_of(p->e, split->feature, other)) < 0)
            return "two features meet on a path and are not among the pairs";
        p->cell[p->cells++] = (int32_t)cell;
    }
    return NULL;
}

/* Splits and steps of one tree, into `program`. NULL or what is wrong. */
static const char *compile(const Ensemble *e, int64_t tree, Program *p) {
    enum { OPENING, TURNING, CLOSING };
    static const char TWO_PARENTS[] = "a node has two parents";
    const int64_t first = e->offsets[tree];
    int32_t *node = p->path, *phase = node + 1, *place = node + 2; /* three numbers a level */
    int32_t level = 0;
    p->count = p->splits = p->cells = p->steep = 0;
    p->first = first;
    p->distinct = p->most_distinct = 0;
    p->values = e->tree_output[tree] < 0 ? (int)e->values_a_leaf : 1;
    for (int i = 0; i < RADII; i++) p->growth[i] = p->most[i] = 1;
    if (is_leaf(e, first)) return NULL;
    node[0] = 0, phase[0] = OPENING;
    while (level >= 0) {
        int32_t *now = &phase[3 * level];
        int far = -1; /* the side to walk down next */
        if (*now == OPENING) {
            place[3 * level] = (int32_t)p->splits;
            if (!open_split(p, first, first + node[3 * level], level, level && now[-3] == TURNING)) return TWO_PARENTS;
            const char *fault = e->pair_start ? add_cells(p, place[3 * level], place) : NULL;
            if (fault) return fault;
            const Op op = p->step[p->count - 1].op;
            if (op == SPLIT || op == LEAN) far = 0;
            *now = op == SPLIT ? TURNING : CLOSING;
        } else if (*now == TURNING) {
            if (!emit(p, TURN, place[3 * level])) return TWO_PARENTS;
            far = 1;
            *now = CLOSING;
        } else {
            far = 2;
        }
        const Split *split = &p->split[place[3 * level]];
        if (far < 0 || far == 2) {
            if (far == 2) {
                const int beside = kind_of(p, first, child_of(p, split, first, 1));
                if (!emit(p, beside == A_SUBTREE ? JOIN : beside == A_TIP ? TIP_JOIN : LEAN_JOIN, place[3 * level]))
                    return TWO_PARENTS;
            }
            leave(p, split);
            level--;
            continue;
        }
        if (far) enter(p, split, 1);
        level++;
        node[3 * level] = (int32_t)(child_of(p, split, first, far) - first), phase[3 * level] = OPENING;
    }
    p->points = enough_points(p->most_distinct, p->most);
    p->t = e->points + (int64_t)p->points * 2 * MOST_POINTS;
    p->w = p->t + MOST_POINTS;
    return NULL;
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

/* Whether x goes left at a split on categories. */
INLINE int in_set(const Ensemble *e, int64_t node, double x) {
    if (x != x) return 0;
    if (x == -INFINITY) return 1; /* how columns.py writes a missing value that goes left */
    int member = 0;
    if (x > -1 && x < (double)e->set_words[node] * 32) {
        const int64_t whole = (int64_t)x;
        member = e->sets[e->set_start[node] + whole / 32] >> (whole % 32) & 1;
    }
    return member == (e->rule[node] == 1);
}
