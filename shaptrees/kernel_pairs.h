/* Interaction values, by the same walk without fused steps. kernel.c includes this after kernel_walk.h. */

/* R = (h - c) / (c + t (h - c)) of the edge that was just entered: what turns its factor into its contribution. */
INLINE void NAME(contribution)(const Program *p, Work *w, int64_t level, double share, const int Q) {
    for (int q = 0; q < Q; q++) {
        const double missed = -1 / (1 - p->t[q]), gain = (1 - share) / (share + p->t[q] * (1 - share)) - missed;
        EACH_PART NAME(at)(w->R, level * Q + q)[k] = missed + NAME(at)(w->edge_hit, level)[k] * gain;
    }
}

/* The same of a steep split, whose 1 - c has to be known apart: `share` of this edge, `other` of the one beside it. */
static APART void NAME(contribution_steep)(const Program *p, const Split *s, Work *w, double share, double other,
                                           const int Q) {
    const int64_t level = s->level + 1;
    const double c = s->earlier_share * share;
    const double rest = (s->earlier < 0 ? 0 : w->rest[s->earlier]) + s->earlier_share * other;
    w->rest[level] = rest;
    for (int q = 0; q < Q; q++) {
        const double missed = -1 / (1 - p->t[q]), followed = rest / (c + p->t[q] * rest);
        EACH_PART {
            const vec hit = NAME(at)(w->edge_hit, level)[k];
            NAME(at)(w->R, level * Q + q)[k] = (missed - missed * hit) + followed * hit;
        }
    }
}

/* phi_fg += 1/2 amount sum_q P D R_g for every other feature g above the split. `cell`, by level: where that is. */
INLINE void NAME(add_pairs)(const Split *s, const int32_t *cell, const Work *w, double *phi, int64_t cells, int64_t lanes,
                            const int Q, const int V, double *X, double *amount) {
    for (int64_t level = 1; level <= s->level; level++) {
        if (cell[level - 1] < 0) continue;
        for (int v = 0; v < V; v++)
            EACH_PART {
                vec sum = {0};
                for (int q = 0; q < Q; q++)
                    sum += NAME(at)(X, v * Q + q)[k] * NAME(at)(w->R, level * Q + q)[k];
                ((loose *)(phi + (v * cells + cell[level - 1]) * lanes))[k] += 0.5 * NAME(at)(amount, 0)[k] * sum;
            }
    }
}

/* Interaction values of one tree for one block: phi is (V, cells, lanes), first SHAP values and then, at the cells that
   the program says, half of each pair. */
INLINE void NAME(walk_pairs_with)(const Program *p, const double *x, Work *w, double *phi, int64_t cells, int64_t lanes,
                                  const int Q, const int V, const int steep) {
    double amount[LANES] __attribute__((aligned(ALIGN)));
    for (const Step *step = p->step, *end = step + p->count; step < end; step++) {
        const Split *s = p->split + step->split;
        const Op op = step->op;
        double *own = phi + (int64_t)s->feature * lanes;
        NAME(any_step)(p, s, op, x, w, own, cells * lanes, Q, V, steep, w->X, amount);
        if (op == SPLIT || op == LEAN) {
            if (steep) NAME(contribution_steep)(p, s, w, s->share, far_share(p, s), Q);
            else NAME(contribution)(p, w, s->level + 1, s->earlier_share * s->share, Q);
        } else if (op == TURN) {
            if (steep) NAME(contribution_steep)(p, s, w, far_share(p, s), s->share, Q);
            else NAME(contribution)(p, w, s->level + 1, s->earlier_share * (1 - s->share), Q);
        } else {
            NAME(add_pairs)(s, p->cell + p->first_cell[step->split], w, phi, cells, lanes, Q, V, w->X, amount);
        }
    }
}

static void NAME(walk_pairs)(const Program *p, const double *x, Work *w, double *phi, int64_t cells, int64_t lanes) {
    if (p->values == 1) NAME(walk_pairs_with)(p, x, w, phi, cells, lanes, p->points, 1, 0);
    else NAME(walk_pairs_with)(p, x, w, phi, cells, lanes, p->points, p->values, 0);
}

static void NAME(walk_pairs_steep)(const Program *p, const double *x, Work *w, double *phi, int64_t cells,
                                   int64_t lanes) {
    NAME(walk_pairs_with)(p, x, w, phi, cells, lanes, p->points, p->values, 1);
}

#undef vec
#undef loose
#undef mask
#undef PER
#undef EACH_PART
