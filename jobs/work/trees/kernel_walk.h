/* The walk over a compiled tree, LANES rows at a time. Included by kernel.c, which compiles it for several processors:
   plain loops over lanes, for the compiler to turn into vectors. Q and V are constants where callers pass constants. */

#define INLINE static inline __attribute__((always_inline))
#define EACH_LANE for (int i = 0; i < LANES; i++)

/* Where each level's vectors lie in the memory of `work`, and the weights that arrive at the root. */
static void prepare(const Program *p, Work *w) {
    const int64_t at_point = (int64_t)p->points * LANES, levels = w->deepest + 1;
    w->P = w->memory;
    w->hit = w->P + levels * at_point;
    w->edge_hit = w->hit + levels * LANES;
    w->G = w->edge_hit + levels * LANES;
    w->G_near = w->G + at_point * p->values;
    w->R = w->G_near + levels * at_point * p->values;
    for (int64_t q = 0; q < p->points; q++)
        EACH_LANE w->P[q * LANES + i] = p->w[q];
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

/* h: 1 for the rows that go to the near side, else 0. */
INLINE void decide(const Program *p, const Step *s, const double *restrict x, double *restrict hit) {
    const double *restrict column = x + (int64_t)s->slot * LANES;
    if (__builtin_expect(s->rule != 0, 0)) {
        EACH_LANE hit[i] = in_set(s, p->sets, column[i]);
        return;
    }
    const double threshold = s->threshold, left = s->if_left, right = s->if_right;
    EACH_LANE hit[i] = column[i] <= threshold ? left : right;
}

/* What one split needs at every quadrature node: F = base + t_q * run for a new feature, and for a repeated one
   F = share + lift_q * run_e + slope_q * run, with phi += amount * sum_q weight_q P D. */
typedef struct {
    double run[LANES], earlier[LANES], amount[LANES];
    const double *lift, *slope, *weight;
} Factor;

INLINE void factor_of(const Program *p, const Step *s, const double *restrict hit, const double *edge_hit, Factor *f,
                      const int again) {
    const double share = s->share;
    if (!again) {
        EACH_LANE f->amount[i] = f->run[i] = hit[i] - share;
        return;
    }
    const double *restrict earlier = edge_hit + (int64_t)s->earlier * LANES;
    const double before = s->earlier_share, after = before * share;
    f->lift = p->again + 3 * (int64_t)p->points * s->again;
    f->slope = f->lift + p->points;
    f->weight = f->slope + p->points;
    EACH_LANE {
        f->earlier[i] = earlier[i];
        f->run[i] = earlier[i] * hit[i];
        f->amount[i] = earlier[i] * (hit[i] * before - after);
    }
}

INLINE double value_of(const Program *p, const Factor *f, double share, int q, int i, const int again) {
    return again ? share + f->lift[q] * f->earlier[i] + f->slope[q] * f->run[i] : share + p->t[q] * f->run[i];
}

/* Down the near side: P_near = P F. */
INLINE void go_down(const Program *p, const Step *s, const double *restrict x, Work *w, const int Q, const int again) {
    const double *restrict P = w->P + (int64_t)s->level * Q * LANES;
    double *restrict next = w->P + (int64_t)(s->level + 1) * Q * LANES;
    double *restrict hit = w->hit + (int64_t)s->level * LANES;
    double *restrict edge = w->edge_hit + (int64_t)(s->level + 1) * LANES;
    Factor f;
    decide(p, s, x, hit);
    factor_of(p, s, hit, w->edge_hit, &f, again);
    if (again) EACH_LANE edge[i] = f.run[i];
    else EACH_LANE edge[i] = hit[i];
    for (int q = 0; q < Q; q++)
        EACH_LANE next[q * LANES + i] = P[q * LANES + i] * value_of(p, &f, s->share, q, i, again);
}

/* From the near side to the far: P_far = P - P_near; keep G of the near side. */
INLINE void turn(const Step *s, Work *w, const int Q, const int V) {
    const double *restrict P = w->P + (int64_t)s->level * Q * LANES;
    double *restrict next = w->P + (int64_t)(s->level + 1) * Q * LANES;
    double *restrict edge = w->edge_hit + (int64_t)(s->level + 1) * LANES;
    double *restrict keep = w->G_near + (int64_t)s->level * Q * V * LANES;
    const double *restrict G = w->G;
    for (int j = 0; j < Q * LANES; j++) next[j] = P[j] - next[j];
    for (int j = 0; j < Q * V * LANES; j++) keep[j] = G[j];
    if (s->again < 0) EACH_LANE edge[i] = 1 - edge[i];
    else {
        const double *restrict earlier = w->edge_hit + (int64_t)s->earlier * LANES;
        EACH_LANE edge[i] = earlier[i] - edge[i];
    }
}

/* Up again: phi += amount sum_q P D, G = G_far + F D; either side may be a leaf. With `X`, also keep P D there. */
INLINE void go_up(const Program *p, const Step *s, Work *w, double *restrict phi, int64_t stride, const int Q,
                  const int V, const int again, const int near_leaf, const int far_leaf, double *restrict X,
                  double *restrict amount) {
    const double *restrict P = w->P + (int64_t)s->level * Q * LANES;
    const double *restrict hit = w->hit + (int64_t)s->level * LANES;
    const double share = s->share;
    Factor f;
    factor_of(p, s, hit, w->edge_hit, &f, again);
    for (int v = 0; v < V; v++) {
        const double *restrict G_near = w->G_near + ((int64_t)s->level * V + v) * Q * LANES;
        double *restrict G = w->G + (int64_t)v * Q * LANES;
        const double near = near_leaf ? s->near[v] : 0, far = far_leaf ? s->far[v] : 0;
        double sum[LANES] = {0};
        for (int q = 0; q < Q; q++) {
            const double weight = again ? f.weight[q] : 1;
            EACH_LANE {
                const int j = q * LANES + i;
                const double below = far_leaf ? far : G[j];
                const double D = (near_leaf ? near : far_leaf ? G[j] : G_near[j]) - below;
                const double PD = again ? P[j] * D * weight : P[j] * D;
                sum[i] += PD;
                if (X) X[v * Q * LANES + j] = PD;
                G[j] = below + value_of(p, &f, share, q, i, again) * D;
            }
        }
        EACH_LANE phi[v * stride + i] += f.amount[i] * sum[i];
    }
    if (amount) EACH_LANE amount[i] = f.amount[i];
}

INLINE void step_up(const Program *p, const Step *s, const double *x, Work *w, double *phi, int64_t stride,
                    const int Q, const int V, double *X, double *amount) {
    const int again = s->again >= 0;
    if (s->op == TIP) {
        decide(p, s, x, w->hit + (int64_t)s->level * LANES);
        if (again) go_up(p, s, w, phi, stride, Q, V, 1, 1, 1, X, amount);
        else go_up(p, s, w, phi, stride, Q, V, 0, 1, 1, X, amount);
    } else if (s->op == LEAN_JOIN) {
        if (again) go_up(p, s, w, phi, stride, Q, V, 1, 0, 1, X, amount);
        else go_up(p, s, w, phi, stride, Q, V, 0, 0, 1, X, amount);
    } else {
        if (again) go_up(p, s, w, phi, stride, Q, V, 1, 0, 0, X, amount);
        else go_up(p, s, w, phi, stride, Q, V, 0, 0, 0, X, amount);
    }
}

/* SHAP values of one tree for one block: phi is (V, features, LANES). */
INLINE void walk(const Program *p, const double *x, Work *w, double *phi, int64_t features, const int Q, const int V) {
    for (const Step *s = p->step, *end = s + p->count; s < end; s++) {
        if (s->op == SPLIT || s->op == LEAN) {
            if (s->again >= 0) go_down(p, s, x, w, Q, 1);
            else go_down(p, s, x, w, Q, 0);
        } else if (s->op == TURN) {
            turn(s, w, Q, V);
        } else {
            step_up(p, s, x, w, phi + (int64_t)s->feature * LANES, features * LANES, Q, V, NULL, NULL);
        }
    }
}

/* ---- pairs of features ----------------------------------------------------------------------------------------- */

/* R = (h - c) / (c + t (h - c)) of the edge that was just entered: what turns its factor into its contribution. */
INLINE void contribution(const Program *p, Work *w, int64_t level, double share, const int Q) {
    const double *restrict hit = w->edge_hit + level * LANES;
    double *restrict R = w->R + level * Q * LANES;
    for (int q = 0; q < Q; q++) {
        const double missed = -1 / (1 - p->t[q]), gain = (1 - share) / (share + p->t[q] * (1 - share)) - missed;
        EACH_LANE R[q * LANES + i] = missed + hit[i] * gain;
    }
}

/* phi_fg += 1/2 amount sum_q P D R_g for every other feature g above the split. */
INLINE void add_pairs(const Step *s, const Work *w, double *phi, int64_t features, const int Q, const int V,
                      const double *restrict X, const double *restrict amount) {
    for (int64_t level = 1; level <= s->level; level++) {
        const int64_t other = w->hidden[level], here = s->feature;
        if (other < 0 || level == s->earlier) continue;
        const double *restrict R = w->R + level * Q * LANES;
        const int64_t cell = other < here ? other * features + here : here * features + other;
        for (int v = 0; v < V; v++) {
            double *restrict out = phi + (v * features * features + cell) * LANES;
            double sum[LANES] = {0};
            for (int q = 0; q < Q; q++)
                EACH_LANE sum[i] += X[(v * Q + q) * LANES + i] * R[q * LANES + i];
            EACH_LANE out[i] += 0.5 * amount[i] * sum[i];
        }
    }
}

/* Interaction values of one tree for one block: phi is (V, features, features, LANES), pairs above the diagonal only
   and SHAP values on it. */
INLINE void walk_pairs(const Program *p, const double *x, Work *w, double *phi, int64_t features, const int Q,
                       const int V) {
    double amount[LANES], *X = w->R + (w->deepest + 1) * Q * LANES;
    for (const Step *s = p->step, *end = s + p->count; s < end; s++) {
        if (s->op == SPLIT || s->op == LEAN) {
            if (s->again >= 0) go_down(p, s, x, w, Q, 1);
            else go_down(p, s, x, w, Q, 0);
            if (s->earlier >= 0) w->hidden[s->earlier] = -1;
            w->hidden[s->level + 1] = s->feature;
            contribution(p, w, s->level + 1, s->earlier_share * s->share, Q);
        } else if (s->op == TURN) {
            turn(s, w, Q, V);
            contribution(p, w, s->level + 1, s->earlier_share * (1 - s->share), Q);
        } else {
            double *own = phi + (int64_t)s->feature * (features + 1) * LANES;
            step_up(p, s, x, w, own, features * features * LANES, Q, V, X, amount);
            if (s->op != TIP) w->hidden[s->level + 1] = -1;
            add_pairs(s, w, phi, features, Q, V, X, amount);
            if (s->op != TIP && s->earlier >= 0) w->hidden[s->earlier] = s->feature;
        }
    }
}
