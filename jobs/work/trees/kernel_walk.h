/* The walk over a compiled tree, LANES rows at a time. kernel.c includes this once for every instruction set, with
   WIDTH, the bytes of its vectors, and NAME, which makes a name its own. Q and V are constants where callers pass
   constants. Every vector of LANES rows is handled as a few registers, one after the other. */

#define PER (WIDTH / 8) /* rows in a register */
#define EACH_PART for (int k = 0; k < LANES / PER; k++)

typedef double NAME(vec) __attribute__((vector_size(WIDTH)));
typedef int64_t NAME(mask) __attribute__((vector_size(WIDTH)));
typedef double NAME(loose) __attribute__((vector_size(WIDTH), aligned(8)));
#define vec NAME(vec)
#define loose NAME(loose) /* for memory that is not ours: it need not be aligned, but is faster when it is */
#define mask NAME(mask)

INLINE vec *NAME(at)(double *base, int64_t place) { return (vec *)(base + place * LANES); }
INLINE vec NAME(choose)(mask m, double yes, double no) {
    const vec one = yes - (vec){0}, other = no - (vec){0};
    return (vec)((m & (mask)one) | (~m & (mask)other));
}

/* h: which rows of part k go to the near side, as 1 and 0. */
INLINE vec NAME(decide)(const Program *p, const Step *s, const double *x, int k) {
    const double *column = x + (int64_t)s->slot * LANES + k * PER;
    if (__builtin_expect(s->rule != 0, 0)) {
        vec hit;
        for (int i = 0; i < PER; i++) hit[i] = in_set(s, p->sets, column[i]);
        return hit;
    }
    return NAME(choose)(*(const loose *)column <= s->threshold - (vec){0}, s->if_left, s->if_right);
}

/* What one split needs at every quadrature node: F = share + t_q * run for a new feature, and for a repeated one
   F = share + lift_q * earlier + slope_q * run; phi += amount * sum_q weight_q P D. */
typedef struct {
    vec run, earlier, amount;
    const double *lift, *slope, *weight;
} NAME(Factor);

INLINE NAME(Factor) NAME(factor_of)(const Program *p, const Step *s, vec hit, Work *w, int k, const int again) {
    NAME(Factor) f;
    if (!again) {
        f.amount = f.run = hit - s->share;
        return f;
    }
    f.earlier = NAME(at)(w->edge_hit, s->earlier)[k];
    f.run = f.earlier * hit;
    f.amount = f.earlier * (hit * s->earlier_share - s->earlier_share * s->share);
    f.lift = p->again + 3 * (int64_t)p->points * s->again;
    f.slope = f.lift + p->points;
    f.weight = f.slope + p->points;
    return f;
}

INLINE vec NAME(value_of)(const Program *p, const NAME(Factor) *f, double share, int q, const int again) {
    if (again) return share + f->lift[q] * f->earlier + f->slope[q] * f->run;
    return share + p->t[q] * f->run;
}

/* Down the near side: P_near = P F. */
INLINE void NAME(go_down)(const Program *p, const Step *s, const double *x, Work *w, const int Q, const int again) {
    EACH_PART {
        const vec hit = NAME(decide)(p, s, x, k);
        const NAME(Factor) f = NAME(factor_of)(p, s, hit, w, k, again);
        NAME(at)(w->hit, s->level)[k] = hit;
        NAME(at)(w->edge_hit, s->level + 1)[k] = again ? f.run : hit;
        for (int q = 0; q < Q; q++)
            NAME(at)(w->P, (s->level + 1) * (int64_t)Q + q)[k] =
                NAME(at)(w->P, s->level * (int64_t)Q + q)[k] * NAME(value_of)(p, &f, s->share, q, again);
    }
}

/* From the near side to the far: P_far = P - P_near. */
INLINE void NAME(turn)(const Step *s, Work *w, const int Q) {
    EACH_PART {
        vec *edge = &NAME(at)(w->edge_hit, s->level + 1)[k];
        *edge = s->again < 0 ? 1 - *edge : NAME(at)(w->edge_hit, s->earlier)[k] - *edge;
        for (int q = 0; q < Q; q++) {
            vec *P = &NAME(at)(w->P, (s->level + 1) * (int64_t)Q + q)[k];
            *P = NAME(at)(w->P, s->level * (int64_t)Q + q)[k] - *P;
        }
    }
}

/* Up again: phi += amount sum_q P D, G = G_far + F D; either side may be a leaf. With X, keep P D there, and amount. */
INLINE void NAME(go_up)(const Program *p, const Step *s, const double *x, Work *w, double *phi, int64_t stride,
                        const int Q, const int V, const int again, const Op op, double *X, double *amount) {
    double *into = s->keep ? w->G_near + (s->level - 1) * (int64_t)Q * V * LANES : w->G;
    double *kept = w->G_near + s->level * (int64_t)Q * V * LANES;
    EACH_PART {
        const vec hit = op == TIP ? NAME(decide)(p, s, x, k) : NAME(at)(w->hit, s->level)[k];
        const NAME(Factor) f = NAME(factor_of)(p, s, hit, w, k, again);
        for (int v = 0; v < V; v++) {
            const vec near = s->near[v] - (vec){0}, far = s->far[v] - (vec){0};
            const vec step = near - far, at_zero = far + s->share * step, run = f.run * step;
            vec sum = {0};
            for (int q = 0; q < Q; q++) {
                const vec P = NAME(at)(w->P, s->level * (int64_t)Q + q)[k] * (again ? f.weight[q] : 1.0);
                vec *G = &NAME(at)(w->G, v * Q + q)[k], *out = &NAME(at)(into, v * Q + q)[k];
                if (op == TIP) { /* D is the same at all nodes, so G is linear in t */
                    sum += P;
                    if (X) NAME(at)(X, v * Q + q)[k] = P * step;
                    *out = again ? at_zero + f.lift[q] * (f.earlier * step) + f.slope[q] * run : at_zero + p->t[q] * run;
                    continue;
                }
                const vec below = op == JOIN ? *G : far;
                const vec D = (op == LEAN_JOIN ? *G : NAME(at)(kept, v * Q + q)[k]) - below;
                sum += P * D;
                if (X) NAME(at)(X, v * Q + q)[k] = P * D;
                *out = below + NAME(value_of)(p, &f, s->share, q, again) * D;
            }
            if (op == TIP) sum *= step;
            ((loose *)(phi + v * stride))[k] += f.amount * sum;
        }
        if (X) NAME(at)(amount, 0)[k] = f.amount;
    }
}

INLINE void NAME(step)(const Program *p, const Step *s, const double *x, Work *w, double *phi, int64_t stride,
                       const int Q, const int V, const int again, double *X, double *amount) {
    switch (s->op) {
        case SPLIT:
        case LEAN: NAME(go_down)(p, s, x, w, Q, again); break;
        case TURN: NAME(turn)(s, w, Q); break;
        case JOIN: NAME(go_up)(p, s, x, w, phi, stride, Q, V, again, JOIN, X, amount); break;
        case LEAN_JOIN: NAME(go_up)(p, s, x, w, phi, stride, Q, V, again, LEAN_JOIN, X, amount); break;
        case TIP: NAME(go_up)(p, s, x, w, phi, stride, Q, V, again, TIP, X, amount); break;
    }
}

/* SHAP values of one tree for one block: phi is (V, features, LANES). */
INLINE void NAME(walk)(const Program *p, const double *x, Work *w, double *phi, int64_t features, const int Q,
                       const int V) {
    for (const Step *s = p->step, *end = s + p->count; s < end; s++) {
        double *own = phi + (int64_t)s->feature * LANES;
        if (s->again < 0) NAME(step)(p, s, x, w, own, features * LANES, Q, V, 0, NULL, NULL);
        else NAME(step)(p, s, x, w, own, features * LANES, Q, V, 1, NULL, NULL);
    }
}

static void NAME(walk_any)(const Program *p, const double *x, Work *w, double *phi, int64_t features) {
#define FIXED(Q)                                                                                                      \
    case Q: NAME(walk)(p, x, w, phi, features, Q, 1); return;
    if (p->values == 1) switch (p->points) { FIXED(1) FIXED(2) FIXED(3) FIXED(4) FIXED(5) FIXED(6) FIXED(7) FIXED(8) }
    NAME(walk)(p, x, w, phi, features, p->points, p->values);
#undef FIXED
}

/* ---- pairs of features ----------------------------------------------------------------------------------------- */

/* R = (h - c) / (c + t (h - c)) of the edge that was just entered: what turns its factor into its contribution. */
INLINE void NAME(contribution)(const Program *p, Work *w, int64_t level, double share, const int Q) {
    for (int q = 0; q < Q; q++) {
        const double missed = -1 / (1 - p->t[q]), gain = (1 - share) / (share + p->t[q] * (1 - share)) - missed;
        EACH_PART NAME(at)(w->R, level * Q + q)[k] = missed + NAME(at)(w->edge_hit, level)[k] * gain;
    }
}

/* phi_fg += 1/2 amount sum_q P D R_g for every other feature g above the split. */
INLINE void NAME(add_pairs)(const Step *s, const Work *w, double *phi, int64_t features, const int Q, const int V,
                            double *X, double *amount) {
    for (int64_t level = 1; level <= s->level; level++) {
        const int64_t other = w->active[level], here = s->feature;
        if (other < 0 || level == s->earlier) continue;
        const int64_t cell = other < here ? other * features + here : here * features + other;
        for (int v = 0; v < V; v++)
            EACH_PART {
                vec sum = {0};
                for (int q = 0; q < Q; q++)
                    sum += NAME(at)(X, v * Q + q)[k] * NAME(at)(w->R, level * Q + q)[k];
                ((loose *)(phi + (v * features * features + cell) * LANES))[k] += 0.5 * NAME(at)(amount, 0)[k] * sum;
            }
    }
}

/* Interaction values of one tree for one block: phi is (V, features, features, LANES), pairs above the diagonal only
   and SHAP values on it. */
INLINE void NAME(walk_pairs)(const Program *p, const double *x, Work *w, double *phi, int64_t features, const int Q,
                             const int V) {
    double amount[LANES] __attribute__((aligned(ALIGN)));
    for (const Step *s = p->step, *end = s + p->count; s < end; s++) {
        double *own = phi + (int64_t)s->feature * (features + 1) * LANES;
        if (s->again < 0) NAME(step)(p, s, x, w, own, features * features * LANES, Q, V, 0, w->X, amount);
        else NAME(step)(p, s, x, w, own, features * features * LANES, Q, V, 1, w->X, amount);
        if (s->op == SPLIT || s->op == LEAN) {
            if (s->earlier >= 0) w->active[s->earlier] = -1;
            w->active[s->level + 1] = s->feature;
            NAME(contribution)(p, w, s->level + 1, s->earlier_share * s->share, Q);
        } else if (s->op == TURN) {
            NAME(contribution)(p, w, s->level + 1, s->earlier_share * (1 - s->share), Q);
        } else {
            NAME(add_pairs)(s, w, phi, features, Q, V, w->X, amount);
            if (s->op != TIP && s->earlier >= 0) w->active[s->earlier] = s->feature;
        }
    }
}

static void NAME(walk_pairs_any)(const Program *p, const double *x, Work *w, double *phi, int64_t features) {
#define FIXED(Q)                                                                                                      \
    case Q: NAME(walk_pairs)(p, x, w, phi, features, Q, 1); return;
    if (p->values == 1) switch (p->points) { FIXED(3) FIXED(6) FIXED(7) FIXED(8) }
    NAME(walk_pairs)(p, x, w, phi, features, p->points, p->values);
#undef FIXED
}

#undef vec
#undef loose
#undef mask
#undef PER
#undef EACH_PART
