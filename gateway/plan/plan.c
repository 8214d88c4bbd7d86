#include "plan.h"

#include <stdlib.h>

static void clear_choice(struct plan_choice *choice)
{
    for (size_t i = 0; i < choice->post_count; i++) {
        free(choice->posts[i].street);
        free(choice->posts[i].zone);
        free(choice->posts[i].name);
    }
    free(choice->posts);
}

void plan_free(struct plan *plan)
{
    if (plan == NULL)
        return;
    for (size_t g = 0; g < plan->group_count; g++) {
        struct plan_group *group = &plan->groups[g];
        for (size_t i = 0; i < group->choice_count; i++)
            clear_choice(&group->choices[i]);
        free(group->choices);
    }
    free(plan->groups);
    free(plan);
}
