/* Steps that do their tips' work too, for leaves of one value. Included by kernel_walk.h, so once for every
   instruction set. P of a tip never leaves the registers: only two sums over it matter, because G of a tip is linear in
   t (or in its two factors, if it repeats a feature). Above two tips of new features all is polynomial, of degree two,
   and two moments of P are enough. */

/* One tip: G = at_zero + t_q * run, or base + lift_q * earlier + slope_q * run; phi += amount * sum_q weight_q P. */
INLINE NAME(Factor) NAME(tip_of)(const Program *p, const Split *tip, const double *x, Work *w, int64_t k, vec edge,
                                 int64_t level, double (*of)[MOST_POINTS], const int again) {
    const double step = tip->near.value - tip->far.value;
    vec earlier = edge;
    if (again && tip->earlier != level) earlier = NAME(earlier)(w, tip, k);
    NAME(Factor) f = NAME(factor_of)(tip, NAME(decide)(p, tip, x, k), earlier, of, again);
    f.run *= step;
    f.amount *= step;
    if (again) f.earlier *= step, f.base = tip->far.value + f.base * step;
    return f;
}

INLINE vec NAME(tip_value)(const Program *p, const NAME(Factor) *f, double at_zero, int q, const int again) {
    if (again) return f->base + f->lift[q] * f->earlier + f->slope[q] * f->run;
    return at_zero + p->t[q] * f->run;
}

INLINE double NAME(at_zero)(const Split *tip) { return tip->far.value + tip->share * (tip->near.value - tip->far.value); }

/* FORK, TWIG or TIP_JOIN. `again`: whether the split, and whether any of its tips, is taken for repeated. */
INLINE void NAME(above_tips)(const Program *p, const Split *s, const Op op, const double *x, Work *w, double *phi,
                             const int Q, const int again, const int tips_again) {
    const Split *near = s + 1, *far = s + (op == FORK ? 2 : 1);
    const int64_t level = s->level + 1;
    const double near_zero = op == TIP_JOIN ? 0 : NAME(at_zero)(near);
    const double far_zero = op == TWIG ? s->far.value : NAME(at_zero)(far);
    double *into = s->keep ? w->G_near + (s->level - 1) * (int64_t)Q * LANES : w->G;
    if (again) NAME(fill)(p, s, w->factors[0], Q);
    if (tips_again && op != TIP_JOIN) NAME(fill)(p, near, w->factors[1], Q);
    if (tips_again && op != TWIG) NAME(fill)(p, far, w->factors[2], Q);
    EACH_PART {
        const vec hit = op == TIP_JOIN ? NAME(at)(w->hit, s->level)[k] : NAME(decide)(p, s, x, k);
        const vec earlier = again ? NAME(earlier)(w, s, k) : 1 - (vec){0}, edge = earlier * hit;
        const NAME(Factor) f = NAME(factor_of)(s, hit, earlier, w->factors[0], again);
        NAME(Factor) of_near, of_far;
        if (op != TIP_JOIN) of_near = NAME(tip_of)(p, near, x, w, k, edge, level, w->factors[1], tips_again);
        if (op != TWIG) of_far = NAME(tip_of)(p, far, x, w, k, earlier - edge, level, w->factors[2], tips_again);
        const vec *arriving = NAME(at)(w->P, s->level * (int64_t)Q) + k;
        const vec *G = NAME(at)(w->G, 0) + k;
        vec *out = NAME(at)(into, 0) + k;
        vec sum = {0}, near_sum = {0}, far_sum = {0};
        for (int q = 0; q < Q; q++) {
            const vec P = arriving[q * (LANES / PER)], F = NAME(value_of)(p, &f, s->share, q, again), P_near = P * F;
            const vec G_near =
                op == TIP_JOIN ? G[q * (LANES / PER)] : NAME(tip_value)(p, &of_near, near_zero, q, tips_again);
            const vec G_far =
                op == TWIG ? far_zero - (vec){0} : NAME(tip_value)(p, &of_far, far_zero, q, tips_again);
            const vec D = G_near - G_far;
            sum += (again ? P * f.weight[q] : P) * D;
            if (op != TIP_JOIN) near_sum += tips_again ? P_near * of_near.weight[q] : P_near;
            if (op != TWIG) far_sum += tips_again ? (P - P_near) * of_far.weight[q] : P - P_near;
            out[q * (LANES / PER)] = G_far + F * D;
        }
        ((loose *)(phi + (int64_t)s->feature * LANES))[k] += f.amount * sum;
        if (op != TIP_JOIN) ((loose *)(phi + (int64_t)near->feature * LANES))[k] += of_near.amount * near_sum;
        if (op != TWIG) ((loose *)(phi + (int64_t)far->feature * LANES))[k] += of_far.amount * far_sum;
    }
}

/* FORK or TWIG where no feature is repeated. */
INLINE void NAME(above_new_tips)(const Program *p, const Split *s, const Op op, const double *x, Work *w, double *phi,
                                 const int Q) {
    const Split *near = s + 1, *far = s + 2;
    const double far_zero = op == TWIG ? s->far.value : NAME(at_zero)(far), apart = NAME(at_zero)(near) - far_zero;
    double *into = s->keep ? w->G_near + (s->level - 1) * (int64_t)Q * LANES : w->G;
    EACH_PART {
        const vec run = NAME(decide)(p, s, x, k) - s->share;
        const vec near_run = (NAME(decide)(p, near, x, k) - near->share) * (near->near.value - near->far.value);
        vec far_run = {0};
        if (op == FORK) far_run = (NAME(decide)(p, far, x, k) - far->share) * (far->near.value - far->far.value);
        const vec between = near_run - far_run;
        const vec linear = far_run + s->share * between + run * apart, square = run * between;
        const vec constant = far_zero + s->share * apart - (vec){0};
        const vec *arriving = NAME(at)(w->P, s->level * (int64_t)Q) + k;
        vec *out = NAME(at)(into, 0) + k;
        vec whole = {0}, first = {0};
        for (int q = 0; q < Q; q++) {
            const vec P = arriving[q * (LANES / PER)], t = p->t[q] - (vec){0};
            whole += P;
            first += t * P;
            out[q * (LANES / PER)] = constant + t * (linear + t * square);
        }
        const vec near_sum = s->share * whole + run * first;
        ((loose *)(phi + (int64_t)s->feature * LANES))[k] += run * (apart * whole + between * first);
        ((loose *)(phi + (int64_t)near->feature * LANES))[k] += near_run * near_sum;
        if (op == FORK) ((loose *)(phi + (int64_t)far->feature * LANES))[k] += far_run * (whole - near_sum);
    }
}

INLINE void NAME(with_tips)(const Program *p, const Split *s, const Op op, const double *x, Work *w, double *phi,
                            const int Q) {
    const int tips_again = s[1].earlier >= 0 || (op == FORK && s[2].earlier >= 0);
#define CASE(OP)                                                                                                      \
    if (tips_again) NAME(above_tips)(p, s, OP, x, w, phi, Q, 1, 1);                                                   \
    else if (s->earlier >= 0) NAME(above_tips)(p, s, OP, x, w, phi, Q, 1, 0);                                         \
    else if (OP == TIP_JOIN) NAME(above_tips)(p, s, OP, x, w, phi, Q, 0, 0);                                          \
    else NAME(above_new_tips)(p, s, OP, x, w, phi, Q);
    if (op == FORK) {
        CASE(FORK)
    } else if (op == TWIG) {
        CASE(TWIG)
    } else {
        CASE(TIP_JOIN)
    }
#undef CASE
}
